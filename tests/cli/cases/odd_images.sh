# Images of every kind through a model: converted, or refused by name.
tiny
expect 0 train tiny.yaml --out run --quiet --set train.batches=1
expect 0 train tiny.yaml --out colour --quiet --set train.batches=1 --set data.channels=3
image "$sixteen_png" sixteen.png
image "$cmyk_jpg" cmyk.jpg
image "$huge_jpg" huge.jpg
image "$one_jpg" one.jpg
image "$colour_jpg" colour.jpg
image "$square_png" square.png
mv square.png no-suffix
for run in run colour; do
    expect 0 reconstruct $run sixteen.png one.jpg colour.jpg no-suffix -o pics-$run
    silent
    exists pics-$run/sixteen.png pics-$run/one-pair.png pics-$run/colour.png pics-$run/no-suffix.png
done
complains 2 'cmyk\.jpg.*CMYK' reconstruct run cmyk.jpg -o no
complains 2 'huge\.jpg.*20000' encode run huge.jpg -o no.npy
head -c 100 colour.jpg >cut.jpg
complains 2 'cut\.jpg' encode run cut.jpg -o no.npy
: >empty.png
complains 2 'empty\.png' encode run empty.png -o no.npy
complains 2 'gone\.png' encode run gone.png -o no.npy
complains 2 'tiny\.yaml' encode run tiny.yaml -o no.npy
complains 2 'run' encode run run -o no.npy
missing no.npy

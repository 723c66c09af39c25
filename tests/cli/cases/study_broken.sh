# Images that cannot be decoded are left out of a study, each with a warning.
tiny
mkdir -p photos/a photos/b
for i in 01 02 03 04 05 06 07 08 09 10 11 12; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
for i in 01 04 05 08 09; do
    head -c 60 photos/a/$i.png >torn
    mv torn photos/a/$i.png
done
expect 0 study unseen tiny.yaml --out unseen --unseen photos --set train.batches=2 \
    --set data.holdout=0.5 --set eval.components=2
grep -q '^csctrl: warning: left out: .*photos/a/.*\.png' err || fail 'the broken images are not named'
grep -q '^| photos | unseen | [1-9]' unseen/table.md || fail 'no row of the photos'
exists unseen/picture.png

# The number of loader threads and the depth of the ring change nothing.
tiny
mkdir -p photos/square photos/grey photos/colour
for i in 1 2 3 4 5 6; do
    image "$square_png" photos/square/$i.png
    image "$grey_jpg" photos/grey/$i.jpg
    image "$colour_jpg" photos/colour/$i.jpg
done
for data in '--set data.synthetic_count=100' \
    '--set data.kind=folder --set data.path=photos --set train.batch=8 --set data.holdout=0.2'; do
    rm -rf one four
    options="--quiet $data --set data.flip=true --set data.crop_pad=2"
    # shellcheck disable=SC2086
    expect 0 train tiny.yaml --out one $options --set data.loader_threads=1 --set data.prefetch=1
    silent
    # shellcheck disable=SC2086
    expect 0 train tiny.yaml --out four $options --set data.loader_threads=4 --set data.prefetch=8
    silent
    for file in model.safetensors state.safetensors; do
        same one/checkpoints/step-00000006/$file four/checkpoints/step-00000006/$file
    done
done

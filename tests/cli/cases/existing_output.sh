# Output that is already there is refused and stays as it was.
tiny
mkdir run
echo precious >run/notes.txt
complains 2 'run' train tiny.yaml --out run
[ "$(cat run/notes.txt)" = precious ] || fail 'notes.txt was changed'
[ "$(ls run)" = notes.txt ] || fail 'something was added to run'
mkdir empty
expect 0 train tiny.yaml --out empty --quiet --set train.batches=1
cp -r empty before
complains 2 'empty' train tiny.yaml --out empty
diff -r empty before || fail 'the earlier run was changed'

image "$square_png" square.png
mkdir pics
cp square.png pics/square.png
complains 2 'pics is not empty' reconstruct empty square.png -o pics
same pics/square.png square.png
expect 0 reconstruct empty square.png -o pics --force
cmp -s pics/square.png square.png && fail '--force wrote nothing'
cp square.png pics/square.png
complains 2 'pics/square\.png is one of the images' \
    reconstruct empty pics/square.png -o pics --force
complains 2 'square\.png is one of the images' reconstruct empty square.png -o . --force
mkdir links
ln -s ../pics/square.png links/square.png
complains 2 'pics/square\.png is one of the images' reconstruct empty links/square.png -o pics --force
same pics/square.png square.png
echo precious >codes.npy
complains 2 'codes\.npy exists' encode empty square.png -o codes.npy
[ "$(cat codes.npy)" = precious ] || fail 'codes.npy was changed'
expect 0 encode empty square.png -o codes.npy --force
complains 2 'pics is not empty' decode empty codes.npy -o pics
echo precious >grid.png
complains 2 'grid\.png exists' sample empty -n 4 -o grid.png
[ "$(cat grid.png)" = precious ] || fail 'grid.png was changed'
mkdir pics.png
complains 2 'pics\.png is a directory' sample empty -n 4 -o pics.png

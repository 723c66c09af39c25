# Output below a regular file cannot be made, not even by root.
tiny
echo text >file
complains 2 'file' train tiny.yaml --out file
complains 2 'file' train tiny.yaml --out file/run
expect 0 train tiny.yaml --out run --quiet --set train.batches=1
image "$square_png" square.png
complains 2 'file' reconstruct run square.png -o file
complains 2 'file' reconstruct run square.png -o file/pics
complains 2 'file' encode run square.png -o file/codes.npy
expect 0 encode run square.png -o codes.npy
complains 2 'file' decode run codes.npy -o file/pics
complains 2 'file' sample run -n 4 -o file/grid.png
[ "$(cat file)" = text ] || fail 'file was changed'
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod 555 locked
    complains 2 'locked' train tiny.yaml --out locked/run
    complains 2 'locked' train tiny.yaml --out locked
fi

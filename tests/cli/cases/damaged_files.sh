# Damaged checkpoints and code files: one line that names the file, code 2, nothing written.
tiny
expect 0 train tiny.yaml --out run --quiet --set train.eval_every=0
image "$square_png" square.png
model=run/checkpoints/step-00000006/model.safetensors
state=run/checkpoints/step-00000006/state.safetensors
cp $model good.safetensors
size=$(wc -c <$model)
for bytes in 0 4 8 100 $((size / 2)) $((size - 1)); do
    head -c "$bytes" good.safetensors >$model
    complains 2 'step-00000006/model\.safetensors' eval run
    complains 2 'step-00000006/model\.safetensors' info run
    complains 2 'step-00000006/model\.safetensors' reconstruct run square.png -o pics
done
{ cat good.safetensors; echo more; } >$model
complains 2 'model\.safetensors' eval run
# A header length that lies, and one that is no JSON.
{ printf '\377\377\377\377\377\377\377\177'; tail -c +9 good.safetensors; } >$model
complains 2 'model\.safetensors' eval run
{ head -c 8 good.safetensors; printf 'xxxx'; tail -c +13 good.safetensors; } >$model
complains 2 'model\.safetensors' eval run
complains 2 'found [0-9a-f]+; older ones: run/checkpoints/step-00000000$' eval run
cp good.safetensors $model
head -c 50 $state >cut && mv cut $state
complains 2 'state\.safetensors' resume run --set train.batches=9
rm $state
complains 2 'state\.safetensors' resume run --set train.batches=9
expect 0 eval run # a model does not need the optimizer's state
rm $model
complains 2 'safetensors' eval run
missing pics
# A checkpoint that was deleted: the one before it counts, which is said; none: refused.
rm -r run/checkpoints/step-00000006
expect 0 eval run
says 'at step 0,'
[ "$(cat err)" = 'csctrl: warning: run/checkpoints/step-00000006 is not there any more: run/checkpoints/step-00000000 is taken' ] ||
    fail 'expected a warning of the checkpoint that is gone'
cp -r run again
expect 0 resume again --quiet
expect 0 eval again
says 'at step 6,'
silent
truncate -s -1 run/checkpoints/step-00000000/model.safetensors
complains 2 'damaged: expected [0-9]+ bytes, found [0-9]+$' eval run/checkpoints/step-00000000
rm -r run/checkpoints/step-00000000
complains 2 'nor a run with a finished checkpoint' eval run

expect 0 train tiny.yaml --out sound --quiet
expect 0 encode sound square.png square.png -o codes.npy
size=$(wc -c <codes.npy)
for bytes in 0 5 9 40 $((size - 1)); do
    head -c "$bytes" codes.npy >cut.npy
    complains 2 'cut\.npy' decode sound cut.npy -o pics
done
{ cat codes.npy; echo more; } >long.npy
complains 2 'long\.npy' decode sound long.npy -o pics
sed 's/(2, 16)/(9, 16)/' codes.npy >lies.npy
cmp -s codes.npy lies.npy && fail 'the header of codes.npy is not as expected'
complains 2 'lies\.npy' decode sound lies.npy -o pics
sed 's/(2, 16)/(4, 8) /' codes.npy >shape.npy
complains 2 'shape\.npy: expected an array of shape \[n, 16\], found \[4, 8\]$' decode sound shape.npy -o pics
sed 's/(2, 16)/(0, 16)/' codes.npy | head -c $((size - 128)) >none.npy
complains 2 'none\.npy.*found \[0, 16\]$' decode sound none.npy -o pics
{ head -c $((size - 4)) codes.npy; printf '\000\000\300\177'; } >nan.npy
complains 2 'nan\.npy: the code in row 1, column 15 is not finite' decode sound nan.npy -o pics
complains 2 'gone\.npy' decode sound gone.npy -o pics
complains 2 'square\.png' decode sound square.png -o pics
missing pics
expect 0 decode sound codes.npy -o pics

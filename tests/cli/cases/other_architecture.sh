# A checkpoint is not mixed with another model or other data.
tiny
expect 0 train tiny.yaml --out run --quiet
image "$square_png" square.png
complains 2 'shape|dictionary|expected' eval run --set model.layers='8x4s2p1 12x4s2p1 16x4s1p0'
complains 2 '.' eval run --set model.layers='8x4s2p1 16x4s2p1 16x4s1p0 8x1s1p0'
complains 2 '.' eval run --set model.arch=generic
complains 2 '.' eval run --set model.tied=false
complains 2 '.' resume run --set train.batches=9 --set model.layers='8x4s2p1 12x4s2p1 16x4s1p0'
complains 2 'data' resume run --set train.batches=9 --set data.synthetic_count=300
missing run/checkpoints/step-00000009
expect 0 train tiny.yaml --out wide --quiet --set model.layers='8x4s2p1 12x4s2p1 20x4s1p0'
cp -r run mixed
cp wide/checkpoints/step-00000006/model.safetensors mixed/checkpoints/step-00000006/model.safetensors
complains 2 'model\.safetensors' eval mixed/checkpoints/step-00000006
expect 0 encode wide square.png -o codes.npy
complains 2 'shape \[n, 16\].*20' decode run codes.npy -o pics
missing pics
complains 2 'nowhere' eval run --data nowhere
complains 2 '.' eval nowhere
mkdir bare
complains 2 'bare' eval bare
complains 2 'bare' resume bare
complains 2 'bare' info bare

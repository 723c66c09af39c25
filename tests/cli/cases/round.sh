# The whole way: train, info, eval, reconstruct, encode, decode, sample.
tiny
expect 0 train tiny.yaml --out a/b/run
silent
says '^step 1/6 '
says '^step 6/6 .*psnr [0-9.-]+ dB'
says '^run +a/b/run$'
says '^picture +a/b/run/pictures/step-00000006\.png'
says '^checkpoint +a/b/run/checkpoints/step-00000006$'
says '^figures +csctrl eval a/b/run$'
run=a/b/run
exists $run/config.yaml $run/manifest.json $run/metrics.jsonl $run/pictures/step-00000001.png \
    $run/pictures/step-00000006.png $run/checkpoints/step-00000006/model.safetensors
[ "$(grep -c . $run/metrics.jsonl)" -ge 6 ] || fail 'metrics.jsonl has less than six lines'

expect 0 info $run
says ">= 0 "
silent
says 'csc autoencoder, shared dictionaries, step 6'
says '^ +1 +csc +8 x 1 x 4 x 4 +2 +1 +1 x 16 x 16 +8 x 8 x 8 '
says '^ +3 +csc +16 x 16 x 4 x 4 '
says '^  resident +[0-9.]+ [KMG]iB'
expect 0 info $run/checkpoints/step-00000006 --json
silent
says '"features": 16'
says '"dictionary": \['
says '"resident": [1-9]'

expect 0 eval $run
silent
says "^figures of $run at step [36], on 64 held-out images"
says '^  PSNR +[0-9.-]+ dB'
says '^  nearest-subspace accuracy +[01]\.[0-9]+'
says '^  zero codes, layer by layer( +[01]\.[0-9]+){3}$'
expect 0 eval $run --json
silent
says '"psnr": [0-9-]'
says '"sparsity": \['
cp out first
expect 0 eval $run --json
same out first
expect 0 eval $run --set model.steps=20 --set model.lambda=0.5 --json
cmp -s out first && fail 'eval --set model.steps changed nothing'

image "$square_png" square.png
image "$grey_jpg" grey.jpg
mkdir other
image "$sixteen_png" other/square.png
expect 0 reconstruct $run square.png grey.jpg other/square.png -o pics
silent
says '^pics/square\.png +psnr [0-9.-]+ dB'
png_is pics/square.png 16x16
exists pics/square-pair.png pics/grey.png pics/grey-pair.png pics/square-2.png pics/square-2-pair.png
expect 0 reconstruct $run square.png -o pics2 --json
silent
says '"psnr": [0-9-]'
same pics2/square.png pics/square.png

expect 0 encode $run square.png grey.jpg other/square.png -o codes.npy
silent
says 'codes\.npy  3 codes of 16 features'
expect 0 decode $run codes.npy -o decoded
silent
exists decoded/000000.png decoded/000001.png decoded/000002.png
missing decoded/000003.png
same decoded/000000.png pics/square.png
same decoded/000001.png pics/grey.png

expect 0 sample $run -n 8 -o grid.png
silent
exists grid.png
expect 0 sample $run -n 8 -o grid.png --force
expect 0 sample $run -n 8 -o again.png
same grid.png again.png
expect 0 sample $run -n 8 --seed 1 -o other.png
cmp -s grid.png other.png && fail 'another seed gives the same samples'
expect 0 sample $run -n 8 --class 2 -o class.png
complains 2 "--class: expected a class name or a number from 0 to 3, found '4'" \
    sample $run -n 8 --class 4 -o no.png
complains 2 "--class: .*found 'shirt'" sample $run -n 8 --class shirt -o no.png
missing no.png

# What resume says at the end of a run, of options that change it, and of pictures left behind.
tiny
expect 0 train tiny.yaml --out run --quiet --set train.batches=5
expect 0 resume run
silent
[ "$(cat out)" = 'already at step 5 of 5; add --set train.batches=N to go on' ] ||
    fail 'a finished run is not named so'
expect 0 resume run --set train.batches=4
[ "$(cat out)" = 'already at step 5, beyond train.batches=4; add --set train.batches=N, N above 5, to go on' ] ||
    fail 'a step beyond train.batches is not named so'
complains 2 'nosuch: no such run or checkpoint directory$' resume nosuch
complains 2 'expected a run directory, found no folder checkpoints' resume run/checkpoints
expect 0 resume run --quiet
[ ! -s out ] || fail '--quiet printed something'
expect 0 resume run --log-format json
says '^\{"event":"finished","run":"run",'
expect 0 resume run --eval
says '^already at step 5 of 5; '
says '^figures of run at step 5,'

# Progress shows psnr where it was measured: steps 3 and 6 and the last, not 1.
expect 0 train tiny.yaml --out steps --set train.batches=7
says '^step 3/7 .*psnr '
says_not '^step 1/7 .*psnr '
says '^step 1/7 '

# A picture above the present step is not of this run.
cp run/pictures/step-00000004.png run/pictures/step-00000900.png
expect 0 resume run --set train.batches=6
silent
says '^picture +run/pictures/step-00000006\.png '

expect 0 resume run --set train.batches=7 --set model.lambda=0.2 --set data.flip=true
[ "$(cat err)" = 'csctrl: warning: --set model.lambda=0.2, data.flip=true changes the run in mid-course' ] ||
    fail 'expected one warning'
expect 0 resume run --set train.batches=8 --set optim.encoder_lr=0.001
silent

# Another seed makes other synthetic images, which is refused; of files it changes the order.
complains 2 'the run was trained on other data' resume run --set train.batches=9 --set seed=3
mkdir -p photos/a photos/b
for i in 1 2 3 4 5 6; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
expect 0 train tiny.yaml --out folder --quiet --set data.kind=folder --set data.path=photos \
    --set data.holdout=0.3 --set train.batch=4 --set train.eval_every=0
expect 0 resume folder --quiet --set train.batches=7 --set seed=3 --set game.decoder_steps=2 \
    --set objective.eps2=0.4
[ "$(cat err)" = 'csctrl: warning: --set seed=3, game.decoder_steps=2, objective.eps2=0.4 changes the run in mid-course' ] ||
    fail 'expected a warning of seed, game and objective'

# A run, a checkpoint, a pointer to one; any other file is named as none of these.
expect 0 info run/checkpoints/latest
says 'step [0-9]+, backend'
expect 0 eval run/checkpoints/latest
says 'at step 8,'
echo '# Notes' >notes.md
head -c 1000 /dev/zero >zeros
for verb in info eval resume; do
    complains 2 'notes\.md: no run, checkpoint or config$' $verb notes.md
    complains 2 'zeros: no run, checkpoint or config$' $verb zeros
done

# What fails leaves no empty folder, and keeps those that were there.
complains 2 'gone\.png' reconstruct run gone.png -o a/b
missing a
mkdir a
complains 2 'gone\.png' reconstruct run gone.png -o a/b/
missing a/b
exists a
complains 2 'gone\.png' reconstruct run gone.png -o a
exists a

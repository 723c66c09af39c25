# Values that run away are caught: exit code 3, one line that names the last good checkpoint, which
# stays complete. The settings divide by next to nothing; a seed where that overflows is soon found.
tiny
for seed in 1 2 3 4 5 6; do
    "$program" train tiny.yaml --out run-$seed --quiet --set seed=$seed --set train.batches=60 \
        --set train.checkpoint_every=1 --set train.picture_every=0 --set train.eval_every=0 \
        --set model.tied=false --set train.batch=64 \
        --set optim.encoder_lr=10 --set optim.decoder_lr=10 --set optim.beta2=0 \
        --set optim.eps=1e-16 --set objective.eps2=1e-6 \
        --set game.encoder_sample_weight=1000 --set game.decoder_sample_weight=1000 >out 2>err
    found=$?
    last="train with seed $seed"
    [ "$found" -eq 0 ] || break
done
[ "$found" -eq 3 ] || fail "expected exit code 3, found $found"
[ "$(wc -l <err)" -eq 1 ] || fail 'expected one line on stderr'
step=$(last_step run-$seed)
grep -q "^csctrl: .*not finite.* (last good checkpoint: run-$seed/checkpoints/$(step "$step"))$" err ||
    fail 'the error does not name the last good checkpoint'
expect 0 info run-$seed/checkpoints/"$(step "$step")"

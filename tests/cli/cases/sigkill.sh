# kill -9 at a random moment, often during a save; what is left resumes to the bytes of an
# uninterrupted run.
tiny
options='--set train.batches=1000000 --set train.eval_every=0 --set train.picture_every=0
    --set train.checkpoint_every=3 --set data.flip=true --set data.crop_pad=2'
for round in 1 2 3; do
    run=run-$round
    # shellcheck disable=SC2086
    start train tiny.yaml --out $run $options
    wait_for "$run/checkpoints/step-*"
    sleep "0.$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%03d", $1 }')"
    kill -KILL "$child"
    finish
    [ "$found" -eq 137 ] || fail "expected the program to be killed, found exit code $found"
    step=$(last_step $run)
    goal=$((step + 7))
    expect 0 resume $run --quiet --set train.batches=$goal
    silent
    # shellcheck disable=SC2086
    expect 0 train tiny.yaml --out whole-$round --quiet $options --set train.batches=$goal
    for file in model.safetensors state.safetensors; do
        same $run/checkpoints/$(step $goal)/$file whole-$round/checkpoints/$(step $goal)/$file
    done
    # No half-written checkpoint is left; at most the temporary file of a pointer.
    left=$(find $run/checkpoints -mindepth 1 -maxdepth 1 -type d ! -name 'step-*')
    [ -z "$left" ] || fail "left behind in checkpoints: $left"
done

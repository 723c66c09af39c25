# SIGTERM, SIGINT and SIGUSR1: finish the step, save, exit 75; resumed, the result is that of an
# uninterrupted run, byte for byte.
tiny
endless='--set train.batches=1000000 --set train.eval_every=0 --set train.picture_every=0'
for signal in TERM INT USR1; do
    # shellcheck disable=SC2086
    start train tiny.yaml --out run-$signal $endless --set optim.ema=0.9
    wait_for "run-$signal/metrics.jsonl"
    sleep 0.2
    kill -$signal "$child"
    finish
    [ "$found" -eq 75 ] || fail "SIG$signal: expected exit code 75, found $found"
    step=$(last_step run-$signal)
    [ -n "$step" ] || fail "SIG$signal: no checkpoint"
    [ "$(wc -l <err)" -eq 1 ] || fail "SIG$signal: expected one line on stderr"
    grep -q "^csctrl: interrupted; saved run-$signal/checkpoints/$(step $step); continue with: csctrl resume run-$signal$" err ||
        fail "SIG$signal: the last line does not say how to go on"
done
goal=$((step + 25))
expect 0 resume run-USR1 --quiet --set train.batches=$goal
silent
# shellcheck disable=SC2086
expect 0 train tiny.yaml --out whole --quiet $endless --set optim.ema=0.9 --set train.batches=$goal
for file in model.safetensors state.safetensors; do
    same run-USR1/checkpoints/$(step $goal)/$file whole/checkpoints/$(step $goal)/$file
done
cmp -s whole/checkpoints/$(step $goal)/model.safetensors run-TERM/checkpoints/step-*/model.safetensors &&
    fail 'all checkpoints are equal: nothing was learnt'
expect 0 resume whole --quiet

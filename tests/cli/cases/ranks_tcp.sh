# Ranks that meet by TCP, without MPI: started by hand or by a launcher that only counts them.
tiny
meet=127.0.0.1:$((20000 + $$ % 20000))

# other ARGUMENT...: rank 1 in the background.
other() {
    "$program" train tiny.yaml --set parallel.comm=tcp --set parallel.address=$meet \
        --set parallel.rank=1 --set parallel.ranks=2 "$@" >other.out 2>other.err &
    child=$!
}
together="--set parallel.comm=tcp --set parallel.address=$meet --set parallel.rank=0 --set parallel.ranks=2"

other --out hand
# shellcheck disable=SC2086
expect 0 train tiny.yaml --out hand $together
says '^run  *hand$'
wait "$child" || fail "$last: the second rank failed: $(cat other.err)"
[ ! -s other.out ] || fail "$last: the second rank speaks"
exists hand/checkpoints/$(step 6)/model.safetensors

# A launcher's numbers are taken; the sums of two ranks have the same bits by whatever way.
SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 "$program" train tiny.yaml --out launched --quiet \
    --set parallel.comm=tcp --set parallel.address=$meet 2>other.err &
child=$!
SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 "$program" train tiny.yaml --out launched --quiet \
    --set parallel.comm=tcp --set parallel.address=$meet || fail "launched ranks"
wait "$child" || fail "launched ranks: the second failed: $(cat other.err)"
same hand/checkpoints/$(step 6)/model.safetensors launched/checkpoints/$(step 6)/model.safetensors

complains 2 'parallel.address: expected host:port' train tiny.yaml --set parallel.comm=tcp
complains 2 'parallel.address: expected a port of at most 65535' train tiny.yaml --set parallel.comm=tcp \
    --set parallel.ranks=2 --set parallel.address=localhost:99999
complains 0 'trains alone: parallel.comm is none' train tiny.yaml --out alone --quiet --set parallel.ranks=2
complains 2 'parallel.rank: expected 0 to 1' train tiny.yaml --set parallel.comm=tcp \
    --set parallel.address=$meet --set parallel.rank=2 --set parallel.ranks=2

# A killed rank ends the others, who say so; the run goes on alone.
endless='--set train.batches=1000000 --set train.checkpoint_every=3 --set train.eval_every=0
    --set train.picture_every=0'
# shellcheck disable=SC2086
other --out killed $endless
(sleep 4; kill -KILL "$child") &
began=$(date +%s)
# shellcheck disable=SC2086
"$program" train tiny.yaml --out killed --quiet $together $endless >out 2>err &&
    fail "a killed rank is no success"
[ $(($(date +%s) - began)) -le 34 ] || fail "the others lived on for more than 30 s"
grep -q 'rank 0 of 2 cannot reach another rank by tcp' err || fail "no word of the lost rank: $(cat err)"
expect 0 resume killed --quiet --set train.batches=$(($(last_step killed) + 2))

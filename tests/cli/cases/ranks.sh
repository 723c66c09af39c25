# Several processes: --nproc and mpirun train one model; a killed rank ends the others; any number of
# ranks goes on; a stop asked of one is everyone's.
command -v mpirun >/dev/null || skip "mpirun is not installed"
[ -e "$(dirname "$program")/../src/libcsctrl_mpi.so" ] || skip "csctrl was built without MPI"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
export OMPI_MCA_rmaps_base_oversubscribe OMPI_MCA_hwloc_base_binding_policy
tiny

# One process writes and speaks.
expect 0 train tiny.yaml --nproc 2
says '^run  *runs/tiny-1$'
says '^device .* 2 ranks$'
[ "$(grep -c '^run ' out)" -eq 1 ] || fail "$last: more than one process speaks"
missing runs/tiny-2
exists runs/tiny-1/checkpoints/$(step 6)/model.safetensors
[ "$(wc -l <runs/tiny-1/metrics.jsonl)" -eq 6 ] || fail "$last: expected a line a step"
grep -q 'comm: mpi' runs/tiny-1/config.yaml || fail "$last: the config does not tell of MPI"
# From its config one process can train, and is told that it is one.
complains 0 'trains alone: parallel.comm is mpi' train runs/tiny-1/config.yaml --out alone --quiet

# Resumed by as many ranks, it is the uninterrupted run, byte for byte.
expect 0 resume runs/tiny-1 --nproc 2 --quiet --set train.batches=9
expect 0 train tiny.yaml --nproc 2 --quiet --out whole --set train.batches=9
for file in model.safetensors state.safetensors; do
    same runs/tiny-1/checkpoints/$(step 9)/$file whole/checkpoints/$(step 9)/$file
done

expect 0 train tiny.yaml --nproc 2 --quiet --out local --set parallel.batch_norm=local
exists local/checkpoints/$(step 6)/model.safetensors

# Processes that are told not to train together are runs of their own.
mpirun -n 2 "$program" train tiny.yaml --quiet --set parallel.comm=none >out 2>err ||
    fail "mpirun with parallel.comm=none"
exists runs/tiny-2/checkpoints/$(step 6) runs/tiny-3/checkpoints/$(step 6)
if grep -q 'trains alone' err; then fail "warned of what was wanted"; fi

# Errors are said, and end all.
mpirun -n 2 "$program" train tiny.yaml --set train.batch=15 --out odd >out 2>err &&
    fail 'a batch that cannot be shared'
grep -q '^csctrl: train.batch: expected a multiple of the 2 ranks' err || fail 'a batch that cannot be shared: no reason given'
missing odd
mpirun -n 3 "$program" train tiny.yaml --set train.batch=2 --out odd >out 2>err &&
    fail 'a batch smaller than the ranks'
grep -q '^csctrl: train.batch: expected a multiple of the 3 ranks' err || fail 'a batch smaller than the ranks: no reason given'
expect 2 train tiny.yaml --nproc 2 --out runs/tiny-1
grep -q '^csctrl: .*runs/tiny-1' err || fail "$last: no reason given"
complains 2 'nproc: expected a whole number' train tiny.yaml --nproc none
complains 2 'nproc: its processes train together' train tiny.yaml --nproc 2 --set parallel.comm=none
# one line, said before there are processes
expect 2 train tiny.yaml --nproc 2 --set train.batchez=3
[ "$(wc -l <err)" -eq 1 ] || fail 'expected one line on stderr'
grep -q '^csctrl: .*train.batchez' err || fail "$last: no reason given"
complains 2 '\-\-nproc 4096: expected a divisor of train\.batch' train tiny.yaml --nproc 4096
mpirun -n 1 "$program" train tiny.yaml --out a : -n 1 "$program" train tiny.yaml --out a --set seed=7 \
    >out 2>err && fail "two runs in one"
grep -q '^csctrl: expected the config to be the same on all 2 ranks' err || fail "two runs in one"

# ranks: the processes that mpirun started.
ranks() {
    for stat in /proc/[0-9]*/stat; do
        set -- $(cat "$stat" 2>/dev/null)
        if [ "${4:-}" = "$child" ]; then echo "$1"; fi
    done
}
endless='--set train.batches=1000000 --set train.eval_every=0 --set train.picture_every=0
    --set train.checkpoint_every=3'
# shellcheck disable=SC2086
start train tiny.yaml --nproc 2 --out killed --quiet $endless
wait_for 'killed/checkpoints/step-*'
kill -KILL "$(ranks | tail -n 1)" || fail "$last: no rank to kill"
began=$(date +%s)
finish
[ $(($(date +%s) - began)) -le 30 ] || fail "$last: the others lived on for more than 30 s"
[ "$found" -ne 0 ] || fail "$last: a killed rank is no success"
grep -q 'signal 9' err || fail "$last: no word of the killed rank"
reached=$(last_step killed)
expect 0 resume killed --nproc 3 --quiet --set train.batches=$((reached + 3)) --set train.batch=15
expect 0 resume killed --quiet --set train.batches=$((reached + 6))
exists killed/checkpoints/$(step $((reached + 6)))
grep -q 'comm: none' killed/config.yaml || fail "$last: alone, and the config tells of MPI"

# shellcheck disable=SC2086
start train tiny.yaml --nproc 2 --out asked --quiet $endless
wait_for 'asked/metrics.jsonl'
kill -USR1 "$(ranks | tail -n 1)" || fail "$last: no rank to ask"
finish
[ "$found" -eq 75 ] || fail "$last: expected exit code 75, found $found"
grep -q '^csctrl: interrupted; saved asked/checkpoints/step-.*: csctrl resume asked --nproc 2$' err ||
    fail "$last: not saved when asked"

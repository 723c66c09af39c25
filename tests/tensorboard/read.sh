#!/bin/sh
# read.sh PROGRAM VENV - trains some batches of the synthetic set and reads the run's events with TensorBoard: a whole run, one
# that was killed behind its last checkpoint and resumed, and one without events. Exit status 77 (skipped) without VENV.
set -eu
program=$1
python=$2/bin/python
here=$(dirname "$(realpath "$0")")
"$python" -c 'import tensorboard' 2>/dev/null || {
    echo "skipped: no TensorBoard in $2; scripts/setup_peers.sh installs it"
    exit 77
}
"$program" doctor | grep '^protobuf-c' | grep -v 'not built' || {
    echo "skipped: built without TensorBoard's events"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.yaml" <<'YAML'
threads: 1
data: {kind: synthetic, size: 16, synthetic_count: 256}
model: {layers: 8x4s2p1 16x4s2p1 16x4s1p0}
train: {batch: 16, batches: 9, log_every: 2, eval_every: 3, eval_images: 16, pictures: 4, checkpoint_every: 4, keep_last: 9}
YAML
"$program" train "$work/run.yaml" --out "$work/run" --quiet
"$python" "$here/read_events.py" "$work/run"

# As if killed within an event after step 9, with step 4 as the last checkpoint.
cp -r "$work/run" "$work/killed"
rm -r "$work"/killed/checkpoints/step-0000000[89]
echo step-00000004 >"$work/killed/checkpoints/latest"
for file in "$work"/killed/events.out.tfevents.*; do
    head -c 20 "$file" >"$work/torn"
    cat "$work/torn" >>"$file"
done
"$program" resume "$work/killed" --quiet
[ "$(ls "$work"/killed/events.out.tfevents.* | wc -l)" -eq 2 ]
"$python" "$here/read_events.py" "$work/killed"

# Resumed to fewer steps than there were: what lies behind is gone.
cp -r "$work/run" "$work/shorter"
rm -r "$work"/shorter/checkpoints/step-0000000[89]
echo step-00000004 >"$work/shorter/checkpoints/latest"
"$program" resume "$work/shorter" --quiet --set train.batches=6
"$python" "$here/read_events.py" "$work/shorter"

"$program" train "$work/run.yaml" --out "$work/off" --quiet --set train.tensorboard=false
for file in "$work"/off/events*; do
    [ ! -e "$file" ] || {
        echo "train.tensorboard=false wrote $file"
        exit 1
    }
done

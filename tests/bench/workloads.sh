#!/bin/sh
# workloads.sh CSCTRL_BENCH: each workload answers with its facts, then with the seconds of the repetitions it was asked for.
set -eu
bench=$1
# csctrl_bench releases nothing: the process ends with its workload.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# runs WORKLOAD FACT [KEY=VALUE ...]: FACT is a number of the first line that must not be 0.
runs() {
    name=$1 fact=$2
    shift 2
    echo 2 | "$bench" "$name" 3 device=cpu threads=1 "$@" >"$work/out"
    if ! grep -Eq "^\{.*\"$fact\": [1-9]" "$work/out" ||
        ! grep -Eq '^\{"seconds": \[[0-9.]+, [0-9.]+\], "peak_kib": [1-9][0-9]*\}$' "$work/out"; then
        echo "workloads.sh: expected \"$fact\" and the seconds of two repetitions from $name, found:" >&2
        cat "$work/out" >&2
        exit 1
    fi
}

stack='data.size=8 data.channels=3 train.batch=6 eval.batch=6'
layers='model.layers=8x4s2p1 16x4s1p0'
# shellcheck disable=SC2086
for precision in f32 bf16; do
    runs move executed $stack "$layers" precision=$precision
    runs game executed $stack "$layers" precision=$precision
    runs encode executed $stack "$layers" precision=$precision
done
runs rate images data.size=4 train.batch=6 model.layers=16x4s1p0

if [ -d /usr/share/datasets/fashion-mnist ]; then
    runs loader images data.path=/usr/share/datasets/fashion-mnist data.size=32 train.batch=6 train.batches=2
else
    echo "workloads.sh: loader skipped, no /usr/share/datasets/fashion-mnist"
fi
runs peak flops isa=portable

#!/usr/bin/env bash
# example.sh SOURCE_DIR CSCTRL REGENERATE - trains a tiny synthetic run and sends a picture through the
# example: the result is a PNG of the model's size; a wrong call says what is wrong and writes nothing.
set -euo pipefail
source=$1 csctrl=$2 regenerate=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "example.sh: $*"
    exit 1
}

"$csctrl" train "$source/configs/synthetic.yaml" --out "$work/run" --set train.batches=2 --set train.batch=16 \
    --set data.synthetic_count=64 --set eval.count=16 >"$work/train.txt" 2>&1 || {
    cat "$work/train.txt"
    fail "training failed"
}
picture=$(find "$work/run/pictures" -name '*.png' | head -n 1)
[ -n "$picture" ] || fail "the run has no picture"
"$regenerate" "$work/run" "$picture" "$work/out.png" || fail "regenerate failed"
# Bytes 16 to 23 of a PNG are width and height.
size=$(od -A n -t u1 -j 1 -N 3 "$work/out.png"; od -A n -t u1 -j 16 -N 8 "$work/out.png")
[ "$(echo $size)" = "80 78 71 0 0 0 32 0 0 0 32" ] || fail "out.png is not a 32x32 PNG: $(echo $size)"

"$regenerate" "$work/run" "$work/train.txt" "$work/bad.png" 2>"$work/said.txt" && fail "a text file was accepted"
[ ! -e "$work/bad.png" ] || fail "a picture was written although reading failed"
grep -q 'train.txt' "$work/said.txt" || fail "the message does not name the file: $(cat "$work/said.txt")"
echo "regenerated $picture"

#!/usr/bin/env bash
# check_kernels.sh - compiles the CUDA kernels for every architecture that csctrl is built for and fails when one spills
# registers or has a stack frame. Does nothing where there is no nvcc.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v nvcc >/dev/null; then
    echo "kernels: skipped, no nvcc"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
for architecture in 80 90; do
    for file in src/backend/cuda/*.cu; do
        nvcc -std=c++17 -O3 -arch=sm_$architecture -Isrc -Xptxas -v,--warn-on-spills -c -o "$work/kernels.o" "$file" 2>"$work/log" || {
            cat "$work/log"
            exit 1
        }
        if grep 'bytes stack frame' "$work/log" | grep -qv ' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads'; then
            echo "kernels: $file spills or keeps a stack frame on sm_$architecture:"
            cat "$work/log"
            exit 1
        fi
        count=$((count + $(grep -c 'Used .* registers' "$work/log")))
    done
done
echo "kernels: $count compiled for sm_80 and sm_90, none spills"

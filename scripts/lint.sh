#!/usr/bin/env bash
# lint.sh - formatting, include graph, banned calls, clang-tidy. Every step is run; fails when one did.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
step() {
    echo "== $1"
    shift
    "$@" || { echo "lint: failed: $*" >&2; status=1; }
}

format() {
    git ls-files -co --exclude-standard '*.c' '*.h' '*.inc' '*.cpp' '*.cu' '*.cuh' | while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done | xargs clang-format-14 --dry-run -Werror
}

tidy() {
    # A compile database of clang's own, so that clang-tidy understands every flag in it.
    cmake -S . -B build/tidy -G Ninja -DCMAKE_C_COMPILER=clang-14 -DCSCTRL_WITH_CUDA=OFF >build/tidy.log || {
        cat build/tidy.log
        return 1
    }
    run-clang-tidy-14 -quiet -p build/tidy -j"$(nproc)" "$PWD/(src|tools|examples|tests)/.*\.c$" \
        >build/tidy.out 2>build/tidy.err && return
    sed 's/\x1b\[[0-9;]*m//g' build/tidy.out build/tidy.err | grep -E -A3 '(warning|error): ' | head -n 200
    return 1
}

mkdir -p build
step "formatting" format
step "include graph" scripts/check_strata.py
step "banned calls, sizes" scripts/check_banned.py
step "CUDA kernels" scripts/check_kernels.sh
step "README example" scripts/check_readme.sh
step "clang-tidy" tidy
exit $status

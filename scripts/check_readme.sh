#!/usr/bin/env bash
# check_readme.sh - the C example in README.md is examples/regenerate.c, to the letter.
set -euo pipefail
cd "$(dirname "$0")/.."
sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | diff -u examples/regenerate.c - || {
    echo "README.md: its C example differs from examples/regenerate.c; copy the file into it." >&2
    exit 1
}

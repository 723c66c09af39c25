#!/usr/bin/env bash
# gen_docs.sh [--check] PROGRAM - docs/config.md from the option table of the program. --check changes
# nothing and fails when the file is not what the program writes.
set -euo pipefail
check=
if [ "$1" = --check ]; then
    check=1
    shift
fi
program=$(realpath "$1")
cd "$(dirname "$0")/.."
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
"$program" options --markdown >"$fresh"
[ -s "$fresh" ] || {
    echo "gen_docs: $program options --markdown wrote nothing" >&2
    exit 1
}
if [ -n "$check" ]; then
    diff -u docs/config.md "$fresh" || {
        echo "gen_docs: docs/config.md is out of date; run: make docs" >&2
        exit 1
    }
    exit
fi
cp "$fresh" docs/config.md
echo "docs/config.md"
if command -v doxygen >/dev/null; then
    mkdir -p build
    doxygen Doxyfile
    echo "build/doxygen/html/index.html"
fi

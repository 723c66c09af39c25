#!/usr/bin/env bash
# symbols.sh LIBRARY [--write] - the exported symbols are exactly those of symbols.txt.
# After a change of the public headers: tests/api/symbols.sh build/release/src/libcsctrl.so --write
set -euo pipefail
list=$(dirname "$0")/symbols.txt
exported=$(nm -D --defined-only "$1" | awk '{ print $NF }' | sed 's/@.*//' | LC_ALL=C sort)
if [ "${2:-}" = --write ]; then
    printf '%s\n' "$exported" >"$list"
    exit
fi
printf '%s\n' "$exported" | diff -u "$list" - || {
    echo "the exported symbols (+) differ from tests/api/symbols.txt (-); if that is meant: $0 $1 --write"
    exit 1
}
echo "$(printf '%s\n' "$exported" | wc -l) exported symbols"

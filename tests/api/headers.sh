#!/usr/bin/env bash
# headers.sh INCLUDE_DIR CC - every public header compiles alone, twice over, as C17 and without warnings.
set -euo pipefail
include=$1
cc=$2
count=0
for header in "$include"/csctrl/*.h; do
    name=csctrl/$(basename "$header")
    printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$name" "$name" |
        "$cc" -x c -std=c17 -Wall -Wextra -Wpedantic -pedantic-errors -Wstrict-prototypes -Werror \
            -I "$include" -fsyntax-only -
    count=$((count + 1))
done
echo "$count headers compile alone as C17"
[ "$count" -ge 10 ]

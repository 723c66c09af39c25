#!/usr/bin/env bash
# headers_cxx.sh INCLUDE_DIR CXX - every public header compiles alone as C++17 and without warnings.
# Exit status 77 (skipped) without a C++ compiler.
set -euo pipefail
include=$1
cxx=$2
command -v "$cxx" >/dev/null || {
    echo "no $cxx: skipped"
    exit 77
}
count=0
for header in "$include"/csctrl/*.h; do
    name=csctrl/$(basename "$header")
    printf '#include "%s"\n#include "%s"\nint main() { return 0; }\n' "$name" "$name" |
        "$cxx" -x c++ -std=c++17 -Wall -Wextra -Wpedantic -pedantic-errors -Werror -I "$include" -fsyntax-only -
    count=$((count + 1))
done
echo "$count headers compile alone as C++17"
[ "$count" -ge 10 ]

#!/usr/bin/env bash
# fuzz.sh SECONDS [NAME...] - runs the libFuzzer targets tests/fuzz/fuzz_NAME.c (all of them by default)
# for so long each, under AddressSanitizer and UndefinedBehaviorSanitizer. Starts from the corpus in
# tests/fuzz/corpus/NAME, which is not changed; what was found stays in build/fuzz-found/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
# No parser needs the cpu backend, whose unrolled kernels take long to instrument.
cmake -S . -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCSCTRL_SANITIZE=address,undefined -DCSCTRL_FUZZ=ON -DCSCTRL_WITH_CPU=OFF
cmake --build build/fuzz --target fuzzers
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        names+=("${name#fuzz_}")
    done
fi

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
for name in "${names[@]}"; do
    found=build/fuzz-found/$name
    mkdir -p "$found/corpus"
    echo "== fuzz_$name, $seconds s"
    "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$found/" -print_final_stats=1 "$found/corpus" "tests/fuzz/corpus/$name" \
        2>"$found/log" || {
        tail -n 60 "$found/log"
        echo "fuzz: a finding in fuzz_$name; its input is in $found/" >&2
        exit 1
    }
    grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$found/log"
done

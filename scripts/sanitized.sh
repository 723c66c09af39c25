#!/usr/bin/env bash
# sanitized.sh asan|tsan COMMAND... - runs a command with the options of that sanitizer.
set -euo pipefail
kind=$1
shift
case $kind in
asan)
    # GCC 12's runtime is sometimes wrong about where thread-local memory of a loaded module lies, and its search for
    # leaks then crashes: intercept_tls_get_addr=0.
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1:intercept_tls_get_addr=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    exec "$@"
    ;;
tsan)
    # libgomp is not instrumented, so its barriers are invisible to TSan: one OpenMP thread, and races
    # are sought between the threads that csctrl itself starts. The address layout is fixed because
    # GCC 12's runtime does not know the larger randomisation of newer kernels.
    export OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        exec setarch "$(uname -m)" -R "$@"
    fi
    exec "$@"
    ;;
*)
    echo "sanitized.sh: asan or tsan, not $kind" >&2
    exit 2
    ;;
esac

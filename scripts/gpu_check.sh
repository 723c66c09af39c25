#!/usr/bin/env bash
# gpu_check.sh - all that needs an NVIDIA GPU, in one go of less than ten minutes: builds csctrl with device cuda alone, runs
# the tests that know of the device, the benchmarks that matter most, and, in the time that is left, compute-sanitizer over the
# operations.
#
#   gpu_check.sh pack DIR   on Debian 12: the few libraries that the build needs, for machines without Debian's packages
#   gpu_check.sh [DIR]      on the machine with the GPU: nvcc, cuDNN, CMake, ninja, and the pack where it lacks libraries
#
# Logs and tables go to $OUT, or build/gpu-results. Exit status 77: there is no GPU, and what was built is all that was checked.
set -euo pipefail
cd "$(dirname "$0")/.."
packages="libyaml-dev libyaml-0-2 libjansson-dev libjansson4 zlib1g-dev zlib1g librandom123-dev libcmocka-dev libcmocka0 pkgconf
          pkgconf-bin libpkgconf3"
tests="ops_conv ops_csc_step ops_elementwise ops_norm ops_rate ops_repeat golden_golden prop_device"
build=build/gpu

usage() {
    sed -n '2,/^set /{s/^# \{0,1\}//;/^set /d;p}' scripts/gpu_check.sh >&2
    exit 2
}
if [ "${1:-}" = pack ]; then
    [ -n "${2:-}" ] || usage
    mkdir -p "$2"
    # shellcheck disable=SC2086
    (cd "$2" && apt-get download $packages)
    echo "packed: carry $2 to the machine with the GPU, and there: scripts/gpu_check.sh $2"
    exit
fi
if [ -n "${1:-}" ] && ! ls "$1"/*.deb >/dev/null 2>&1; then
    usage
fi

seconds=560 # of it all
results=${OUT:-$PWD/build/gpu-results}
mkdir -p "$results"
if [ -d /usr/local/cuda ]; then
    export PATH=$PATH:/usr/local/cuda/bin LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/cuda/lib64
fi
options=(-DCSCTRL_WITH_CUDA=ON -DCSCTRL_WITH_CPU=OFF -DCSCTRL_WITH_LAPACK=OFF -DCSCTRL_WITH_IMAGES=OFF -DCSCTRL_WITH_MPI=OFF
         -DCSCTRL_WITH_TENSORBOARD=OFF)
if [ -n "${1:-}" ]; then
    root=$PWD/$build-root
    mkdir -p "$root"
    for package in "$(realpath "$1")"/*.deb; do
        if command -v dpkg-deb >/dev/null; then
            dpkg-deb -x "$package" "$root"
        else
            (cd "$root" && ar p "$package" data.tar.xz | tar -xJ)
        fi
    done
    libraries=$root/usr/lib/x86_64-linux-gnu
    ln -sf "$(basename "$root"/lib/x86_64-linux-gnu/libz.so.1.*)" "$root/lib/x86_64-linux-gnu/libz.so.1"
    ln -sf ../../../lib/x86_64-linux-gnu/libz.so.1 "$libraries/libz.so" # Debian's is an absolute link
    export LD_LIBRARY_PATH=$libraries:$root/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
    options+=(-DCMAKE_PREFIX_PATH="$root/usr" -DPKG_CONFIG_EXECUTABLE="$root/usr/bin/pkgconf")
fi
# Where Python's packages bring cuDNN, as with PyTorch, and CUDA's toolkit does not.
cudnn=$(python3 -c 'import nvidia.cudnn as c; print(list(c.__path__)[0])' 2>/dev/null || true)
if [ -n "$cudnn" ] && [ ! -e /usr/local/cuda/include/cudnn.h ]; then
    options+=(-DCUDNN_INCLUDE="$cudnn/include" -DCUDNN_LIBRARY="$(ls "$cudnn"/lib/libcudnn.so*)")
    export LD_LIBRARY_PATH=$cudnn/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

echo "== build"
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" >"$results/cmake.log"
targets="csctrl_cuda csctrl_program csctrl_bench"
for test in $tests; do
    targets="$targets test_$test"
done
# shellcheck disable=SC2086
ninja -C $build $targets >"$results/build.log" || { cat "$results/build.log"; exit 1; }
# A local build: the module lies where the tests' run path says. doctor tells which device there is.
$build/tools/csctrl doctor | tee "$results/doctor.txt"
if grep -q '^device cuda *no GPU can be used' "$results/doctor.txt"; then
    echo "no GPU: built, not run; logs are in $results"
    exit 77
fi
grep -q '^device cuda *available' "$results/doctor.txt" || { echo "device cuda cannot be used, as told above"; exit 1; }

export CSCTRL_TEST_CUDA=1
status=0
for test in $tests; do
    echo "== $test"
    $build/tests/test_"$test" >"$results/$test.log" 2>&1 || { status=1; tail -n 40 "$results/$test.log"; }
done
# The cases that matter most; torch.compile takes most of the time. All of them: bench/run.py --gpu.
echo "== bench"
python3 bench/run.py --gpu --minutes 3 --build $build --rounds 3 --out "$results/gpu.txt" --only =gpu-game-n1024-bf16 \
    --only =gpu-game-128x128-bf16 --only =gpu-move-n1024-f32 || [ $? -eq 77 ] || status=1
echo "== compute-sanitizer"
sanitizer=$(command -v compute-sanitizer) || echo "skipped: it is not installed"
for tool in memcheck racecheck initcheck synccheck; do
    for test in ops_csc_step ops_elementwise ops_norm ops_rate; do
        left=$((seconds - SECONDS))
        if [ -z "$sanitizer" ] || [ $left -lt 20 ]; then
            echo "not run: $tool $test"
            continue
        fi
        log=$results/sanitizer-$tool-$test.log
        code=0
        timeout $((left < 60 ? left : 60)) "$sanitizer" --tool $tool --error-exitcode 9 $build/tests/test_$test >"$log" 2>&1 || code=$?
        case $code in
            0) echo "clean: $tool $test" ;;
            124) echo "not finished: $tool $test" ;;
            *) status=1; tail -n 20 "$log" ;;
        esac
    done
done
exit $status

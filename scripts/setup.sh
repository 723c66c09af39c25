#!/usr/bin/env bash
# setup.sh [dev] - installs the Debian 12 packages that csctrl needs; `dev` adds those of lint and CI.
# Does nothing, and does not need the network, when all are installed.
set -euo pipefail

packages=(gcc libc6-dev cmake ninja-build pkg-config
    libdnnl-dev libopenblas-openmp-dev liblapacke-dev
    libjpeg62-turbo-dev libpng-dev zlib1g-dev libarchive-dev
    libyaml-dev libjansson-dev libprotobuf-c-dev protobuf-c-compiler librandom123-dev libcmocka-dev
    dataset-fashion-mnist)
if [ "${1:-}" = dev ]; then
    packages+=(g++ python3 python3-torch libopenmpi-dev openmpi-bin iproute2 clang-14 clang-format-14 clang-tidy-14
        libclang-rt-14-dev libomp-14-dev doxygen chromium python3-venv)
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "setup: this is not Debian, so nothing was installed. csctrl needs what these Debian 12" >&2
    echo "packages hold; install them by hand, then run cmake (see README.md):" >&2
    printf '  %s\n' "${packages[@]}" >&2
    command -v cmake >/dev/null && command -v ninja >/dev/null && command -v cc >/dev/null
    exit
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "setup: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: not root and no sudo. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
"${apt_get[@]}" update
"${apt_get[@]}" install -y --no-install-recommends "${missing[@]}"

# Another OpenBLAS that was there before may still be the one in use; its threads and OpenMP's compete.
for library in libopenblas.so.0 libblas.so.3 liblapack.so.3; do
    used=$(readlink -f /usr/lib/*-linux-gnu/"$library" 2>/dev/null || true)
    case $used in
    '' | */openblas-openmp/*) ;;
    *) echo "setup: note: $library is $used; csctrl is fastest with OpenBLAS for OpenMP" \
        "(update-alternatives --config $library-$(gcc -dumpmachine))" ;;
    esac
done

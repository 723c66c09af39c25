#!/usr/bin/env bash
# install.sh CMAKE BUILD_DIR SOURCE_DIR CC - installs into a temporary prefix, moves that elsewhere, and
# builds clients against it: the README's example by pkg-config and by find_package, and a C++ program.
set -euo pipefail
cmake=$1 build=$2 source=$3 cc=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "install.sh: $*"
    exit 1
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log" || {
    cat "$work/install.log"
    fail "cmake --install failed"
}
mv "$work/first" "$work/prefix"
prefix=$work/prefix
for file in bin/csctrl include/csctrl/csctrl.h share/man/man1/csctrl.1 share/csctrl/configs/fashion-mnist.yaml \
    share/bash-completion/completions/csctrl; do
    [ -s "$prefix/$file" ] || fail "$file was not installed"
done
"$prefix/bin/csctrl" doctor >"$work/doctor.txt" || fail "the installed program does not run"

pc=$(find "$prefix" -name csctrl.pc)
[ -n "$pc" ] || fail "csctrl.pc was not installed"
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$(dirname "$pc")
# Words are split on purpose: they are flags.
# shellcheck disable=SC2046
"$cc" -std=c17 -Wall -Wextra -Wpedantic -Werror "$source/examples/regenerate.c" -o "$work/by_pkg_config" \
    $(pkg-config --cflags --libs csctrl) -Wl,-rpath,"$libdir"

mkdir "$work/client"
cat >"$work/client/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(client C)
find_package(csctrl 0.1 REQUIRED)
add_executable(by_cmake $source/examples/regenerate.c)
target_link_libraries(by_cmake PRIVATE csctrl::csctrl)
EOF
"$cmake" -S "$work/client" -B "$work/client/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" >"$work/cmake.log" &&
    "$cmake" --build "$work/client/build" >>"$work/cmake.log" || {
    cat "$work/cmake.log"
    fail "the find_package client does not build"
}

for client in "$work/by_pkg_config" "$work/client/build/by_cmake"; do
    said=$("$client" "$work/no-such-run" image.png out.png 2>&1) && fail "$client succeeded without a run"
    case $said in
    *no-such-run*) ;;
    *) fail "$client said: $said" ;;
    esac
done

if command -v g++ >/dev/null; then
    # shellcheck disable=SC2046
    g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror "$source/tests/api/client.cpp" -o "$work/cxx" \
        $(pkg-config --cflags --libs csctrl) -Wl,-rpath,"$libdir"
    version=$("$work/cxx") || fail "the C++ client failed with status $?"
    [ "$version" = "$(pkg-config --modversion csctrl)" ] || fail "version $version differs from csctrl.pc"
fi
echo "installed, moved, linked and run"

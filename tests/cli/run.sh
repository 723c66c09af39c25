#!/bin/sh
# run.sh PROGRAM CASE - runs one case file in an empty directory of its own. Exit status: 0 passed,
# 77 skipped, else failed, with the last command and what it printed.
set -u
program=$(realpath "$1")
case_file=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1
unset CSCTRL_THREADS CSCTRL_ISA
LC_ALL=C
export LC_ALL

fail() {
    echo "FAILED: $*"
    [ -f out ] && sed 's/^/  out| /' out
    [ -f err ] && sed 's/^/  err| /' err
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# expect CODE ARGUMENT... : run csctrl, keep its output in ./out and ./err, compare the exit code.
expect() {
    wanted=$1
    shift
    last="csctrl $*"
    "$program" "$@" >out 2>err
    found=$?
    [ "$found" -eq "$wanted" ] || fail "$last: expected exit code $wanted, found $found"
}

# says PATTERN / says_not PATTERN: the standard output has (no) line that matches.
says() {
    grep -E -q -e "$1" out || fail "$last: expected on stdout: $1"
}

says_not() {
    grep -E -q -e "$1" out && fail "$last: unexpected on stdout: $1"
    return 0
}

# complains CODE PATTERN ARGUMENT... : exit code, and exactly one line on stderr, which matches.
complains() {
    code=$1
    pattern=$2
    shift 2
    expect "$code" "$@"
    [ "$(wc -l <err)" -eq 1 ] || fail "$last: expected exactly one line on stderr"
    grep -q '^csctrl: ' err || fail "$last: the error does not begin with 'csctrl: '"
    grep -E -q -e "$pattern" err || fail "$last: expected in the error: $pattern"
}

# silent: the last command wrote nothing to stderr.
silent() {
    [ ! -s err ] || fail "$last: unexpected output on stderr"
}

exists() {
    for path in "$@"; do
        [ -e "$path" ] || fail "$last: $path is missing"
    done
}

missing() {
    for path in "$@"; do
        [ ! -e "$path" ] || fail "$last: $path should not be there"
    done
}

same() {
    exists "$1" "$2"
    cmp -s "$1" "$2" || fail "$last: $1 and $2 differ"
}

# Is `file` PNG / does it hold WIDTHxHEIGHT (bytes 16-23 of a PNG)?
png_is() {
    size=$(od -An -tu1 -j16 -N8 "$1" | awk '{ print ($3 * 256 + $4) "x" ($7 * 256 + $8) }')
    [ "$size" = "$2" ] || fail "$1: expected a PNG of $2, found $size"
}

# tiny [LINE...] : the config that the cases train; a step takes milliseconds.
tiny() {
    cat >tiny.yaml <<'YAML'
threads: 1
data:
  kind: synthetic
  size: 16
  synthetic_count: 256
model:
  layers: 8x4s2p1 16x4s2p1 16x4s1p0
train:
  batch: 16
  batches: 6
  log_every: 1
  eval_every: 3
  eval_images: 16
  pictures: 4
eval:
  count: 64
  fit_count: 128
  components: 4
YAML
}

# images DIR: small files of every kind, made by hand.
grey_jpg='/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABQT/xAAXEAADAQAAAAAAAAAAAAAAAAAAAwQx/9oACAEBAAA/ACJlYKzKwlmVgtMrD//Z'
huge_jpg='/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/wAALCE4gTiABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABQT/xAAXEAADAQAAAAAAAAAAAAAAAAAAAwQx/9oACAEBAAA/ACJlYKzKwlmVgtMrD//Z'
one_jpg='/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AMv/Z'
cmyk_jpg='/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAbEhQXFBEbFxYXHhwbIChCKyglJShROj0wQmBVZWRfVV1baniZgWpxkHNbXYW1hpCeo6utq2eAvMm6pseZqKuk/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAQABf/EABcQAAMBAAAAAAAAAAAAAAAAAAADBDH/2gAOBEMATQBZAEsAAD8AyJlYDmVhTKwZMrD/2Q=='
colour_jpg='/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAQABgDASIAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAQFAv/EACQQAAEDAgQHAAAAAAAAAAAAAAIAAwQBMQURMnESExQiUWHw/8QAFgEBAQEAAAAAAAAAAAAAAAAAAwQF/8QAGxEAAgIDAQAAAAAAAAAAAAAAAQIAAxESIUH/2gAMAwEAAhEDEQA/AEYzVlWjNWSsZqyptBwjTK9UruEUsfII7MSnenjkdNWkN0KXiUjmOkQ1zEewN/P3pCjrpLjdh0zRVqqFCuMkz//Z'
sixteen_png='iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIEAAAAACx9D0UAAAANElEQVR42mNgYBBgUGAwYHBgCGBIYChA5zYwoHEnMKBxFzCgcTcwoHEPMKBxLzCgcR8wAADv0xwB4yljWQAAAABJRU5ErkJggg=='
square_png='iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAE0lEQVR42mNgoBL4DwUDLUAhAADg/z/BzHI0WAAAAABJRU5ErkJggg=='

# image TEXT FILE: decode one of the above.
image() {
    printf '%s' "$1" | base64 -d >"$2" || fail "cannot write $2"
}

# wait_for PATTERN: until a path that matches exists and the background program still runs.
wait_for() {
    tries=0
    # shellcheck disable=SC2086
    until ls -d $1 >/dev/null 2>&1; do
        kill -0 "$child" 2>/dev/null || fail "$last: ended before $1 was there"
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || fail "$last: $1 did not come"
        sleep 0.05
    done
}

# start ARGUMENT... : csctrl in the background; its process is $child. finish: wait; code in $found.
start() {
    last="csctrl $*"
    # A shell makes its background jobs ignore SIGINT.
    env --default-signal=INT "$program" "$@" >out 2>err &
    child=$!
}

finish() {
    wait "$child"
    found=$?
}

# Name of a checkpoint or picture; number of the last complete checkpoint of a run.
step() {
    printf 'step-%08d' "$1"
}

last_step() {
    ls "$1/checkpoints" | sed -n 's/^step-0*\([0-9][0-9]*\)$/\1/p' | sort -n | tail -n 1
}

last='(nothing ran)'
. "$case_file"
echo passed

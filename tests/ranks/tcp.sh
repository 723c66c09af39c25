#!/bin/sh
# tcp.sh RANKS PROGRAM BATCHES [KEY=VALUE ...]: ranks of this machine that meet by TCP.
set -eu
ranks=$1 program=$2
shift 2
meet=127.0.0.1:$((20000 + $$ % 20000))
rank=$((ranks - 1))
others=
while [ $rank -gt 0 ]; do
    "$program" "$@" parallel.comm=tcp parallel.address=$meet parallel.rank=$rank parallel.ranks="$ranks" &
    others="$others $!"
    rank=$((rank - 1))
done
"$program" "$@" parallel.comm=tcp parallel.address=$meet parallel.ranks="$ranks"
for other in $others; do
    wait "$other"
done

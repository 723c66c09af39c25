#!/usr/bin/env bash
# demo.sh PROGRAM - trains configs/fashion-mnist.yaml into demo-run, prints the figures and names the
# picture to open. An earlier demo-run is moved aside, never deleted.
set -euo pipefail

program=$1
run=demo-run
if [ -e "$run" ]; then
    n=1
    while [ -e "$run.$n" ]; do n=$((n + 1)); done
    mv "$run" "$run.$n"
    echo "The earlier $run is now $run.$n."
fi

echo "Training an autoencoder on Fashion-MNIST, from random dictionaries, without a pixel loss."
"$program" train configs/fashion-mnist.yaml --out "$run" --eval

picture=$(find "$run/pictures" -name 'step-*.png' | sort -V | tail -n 1)
first=$(find "$run/pictures" -name 'step-*.png' | sort -V | head -n 1)
echo
echo "Held-out images beside their regenerations. Open this picture:"
echo "  $PWD/$picture"
echo "How it began:"
echo "  $PWD/$first"
echo "All there is to see of it, in one page:"
echo "  $program report $run"

#!/usr/bin/env bash
# setup_peers.sh [VENV] - makes a virtual environment, build/peers by default, with the programs that tests compare csctrl with:
# TensorBoard. Does nothing when it is there; remove it for another version.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-build/peers}
python=${PYTHON:-/usr/bin/python3}

[ ! -e "$venv/complete" ] || exit 0
echo "peers: making $venv"
"$python" -m venv --clear "$venv"
"$venv/bin/pip" install -q tensorboard==2.21.0
touch "$venv/complete"

#!/usr/bin/env bash
# setup.sh VENV - makes a virtual environment with the peers of csctrl's benchmarks, the newest there are:
# PyTorch, torchvision, ONNX Runtime. Does nothing when it is there; remove it for newer ones.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}

[ ! -e "$venv/complete" ] || exit 0

# torch.compile writes C++ that includes Python.h.
missing=()
command -v g++ >/dev/null || missing+=(g++)
"$python" -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
"$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    missing+=(python3-dev)
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    echo "bench: installing ${missing[*]}"
    "${as_root[@]}" apt-get -q update
    "${as_root[@]}" apt-get -q install -y --no-install-recommends "${missing[@]}"
fi

echo "bench: making $venv"
"$python" -m venv --clear "$venv"
# PyTorch's own index has wheels without CUDA, a tenth of the size. Where it cannot be reached PyPI's do as well.
"$venv/bin/pip" install -q --timeout 15 --retries 0 --index-url https://download.pytorch.org/whl/cpu torch torchvision ||
    "$venv/bin/pip" install -q torch torchvision
"$venv/bin/pip" install -q numpy onnx onnxruntime
touch "$venv/complete"

#!/usr/bin/env bash
# setup_peers.sh - build/peers: a Python with the programs that tests compare csctrl with: pytorch-fid and
# torch-fidelity (tests/inception), TensorBoard (tests/tensorboard). Debian's PyTorch, torchvision, SciPy and
# Pillow; the rest from PyPI.
# Does nothing, and does not need the network, when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
peers=build/peers
packages=(python3-venv python3-torch python3-torchvision python3-scipy python3-pil python3-tqdm)
pinned=(pytorch-fid==0.3.0 torch-fidelity==0.4.0)
check='import PIL, scipy.linalg, torch, torchvision, pytorch_fid.fid_score, torch_fidelity, tensorboard'

"$peers/bin/python" -c "$check" 2>/dev/null && exit 0
missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
    "${apt_get[@]}" update
    "${apt_get[@]}" install -y --no-install-recommends "${missing[@]}"
fi
# Debian's own interpreter has Debian's PyTorch; another python3 may come first in PATH.
/usr/bin/python3 -m venv --clear --system-site-packages "$peers"
"$peers/bin/pip" install --quiet --no-deps "${pinned[@]}"
"$peers/bin/pip" install --quiet tensorboard==2.21.0
"$peers/bin/python" -c "$check"
echo "$peers/bin/python"

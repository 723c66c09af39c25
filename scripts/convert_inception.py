#!/usr/bin/env python3
"""Inception weights for csctrl score, stats and eval: from pytorch-fid's .pth to safetensors.

  convert_inception.py WEIGHTS.pth OUT.safetensors
  convert_inception.py --unpinned NAME WEIGHTS.pth OUT.safetensors

WEIGHTS.pth is pt_inception-2015-12-05-6726825d.pth of the releases of mseitzer/pytorch-fid (the same
file as torch-fidelity's weights-inception-2015-12-05-6726825d.pth). Its SHA-256 is checked and kept
in the file: only then does csctrl call a score FID. With --unpinned any weights of that network are
taken, under a name of their own, and scores carry that name. Needs PyTorch, nothing else.
"""
import argparse
import hashlib
import json
import os
import struct
import sys
from pathlib import Path

PINNED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SKIPPED = (".num_batches_tracked", "fc.bias")  # counters; a bias that the Inception score leaves out


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write(path, state, source):
    """The state dict as safetensors, float32, names in order: equal weights give equal bytes."""
    import torch

    names = sorted(n for n in state if not n.endswith(SKIPPED) and not n.startswith("AuxLogits."))
    header = {"__metadata__": {"format": "csctrl-inception-1", "source": source}}
    blobs, at = [], 0
    for name in names:
        tensor = state[name].detach().to(torch.float32).contiguous()
        blob = tensor.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = Path(f"{path}.partial")
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(blobs)
    os.replace(partial, path)
    return len(names), at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unpinned", metavar="NAME", help="take other weights; scores carry this name")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS.pth")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    args = parser.parse_args()
    if not args.weights.is_file():
        sys.exit(f"convert_inception: {args.weights}: no such file")
    source = sha256(args.weights)
    if args.unpinned is not None:
        if len(args.unpinned) > 64 or not args.unpinned.isprintable() or args.unpinned.strip() in ("", PINNED):
            sys.exit("convert_inception: --unpinned: expected a name of 1 to 64 characters")
        source = f"unpinned {args.unpinned.strip()} {source[:16]}"
    elif source != PINNED:
        sys.exit(f"convert_inception: {args.weights}: expected SHA-256 {PINNED}, found {source}: not the "
                 "weights that FID is defined on. For other weights give --unpinned NAME.")
    try:
        import torch
    except ModuleNotFoundError:
        sys.exit("convert_inception: PyTorch is not installed for this Python (Debian: python3-torch; or pip install torch)")

    try:
        state = torch.load(args.weights, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of another kind makes torch raise
        sys.exit(f"convert_inception: {args.weights}: expected a state dict of PyTorch: {error}")
    count, size = write(args.out, state, source)
    print(f"{args.out}  {count} tensors, {size} bytes, source {source}")


if __name__ == "__main__":
    main()

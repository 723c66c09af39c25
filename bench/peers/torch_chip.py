"""What the GPU itself reaches, the measure of the floor. Settings: device, threads, side, and precision:

  f32, tf32, bf16   a repetition is a product of two matrices of side x side random numbers
  copy              it is a copy of 4 side² floats, whose bytes are read and written
"""
import torch

import accelerator
import worker


def make():
    s = worker.settings()
    device, side = accelerator.prepare(s), s["side"]
    if s["precision"] == "copy":
        source = torch.randn(4 * side, side, device=device)
        to = torch.empty_like(source)
        return accelerator.waiting(lambda: to.copy_(source), device), 0, {"bytes": 8 * source.numel()}
    kind = torch.bfloat16 if s["precision"] == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in "ab")
    out = torch.empty_like(a)
    return accelerator.waiting(lambda: torch.matmul(a, b, out=out), device), 0, {"flops": 2.0 * side ** 3}


worker.serve(make, accelerator.device_kib)

"""What the PyTorch peers that also run on a GPU share. Settings: device (cuda or cpu), precision (f32, tf32, bf16), threads.

With bf16, which is autocast, what stays in float32 may be rounded to TF32, as is usual; with f32 nothing is.
"""
import torch


def prepare(s):
    """The device, with PyTorch set as the settings say."""
    torch.set_num_threads(s["threads"])
    torch.manual_seed(0)
    if s["device"] == "cuda":
        torch.backends.cudnn.benchmark = True  # the fastest algorithm of each product is looked for once
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = s["precision"] != "f32"
    return torch.device(s["device"])


def waiting(step, device):
    """The step, which ends when the device has done it. On a GPU it has been done: algorithms were chosen, graphs recorded,
    and the memory that this took was given back."""
    if device.type != "cuda":
        return step

    def run():
        step()
        torch.cuda.synchronize()

    for _ in range(4):
        run()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return run


def recorded(step):
    """The whole step as one CUDA graph. What is looked for or allocated once must be done before, on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def device_kib():
    """The most that PyTorch's allocator held of the device's memory since then."""
    return torch.cuda.max_memory_reserved() // 1024 if torch.cuda.is_available() else 0

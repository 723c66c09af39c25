"""Batches of a folder of class folders by torchvision's ImageFolder and PyTorch's DataLoader, on the calling thread.

Settings: folder, size, batch, batches (a repetition), form: pil (torchvision's default), draft (the same, JPEGs
decoded at the smallest eighth that is large enough) or tensor (torchvision's own JPEG decoder).
"""
import itertools

import torch
from PIL import Image
from torchvision import datasets, io
from torchvision.transforms import v2

import worker


def read(path):
    return io.decode_image(io.read_file(path), io.ImageReadMode.RGB)


def read_draft(size):
    def reader(path):
        with Image.open(path) as image:
            image.draft("RGB", (size * 5 // 4, size * 5 // 4))  # the limit that csctrl has
            return image.convert("RGB")
    return reader


def make():
    s = worker.settings()
    torch.set_num_threads(1)
    fit = [v2.Resize(s["size"], antialias=True), v2.CenterCrop(s["size"]), v2.RandomHorizontalFlip(),
           v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
    loader = {"pil": datasets.folder.default_loader, "draft": read_draft(s["size"]), "tensor": read}[s["form"]]
    images = datasets.ImageFolder(s["folder"], v2.Compose(fit), loader=loader)
    data = torch.utils.data.DataLoader(images, batch_size=s["batch"], shuffle=True, drop_last=True)

    def step():
        epochs = itertools.chain.from_iterable(itertools.repeat(data))
        for _ in itertools.islice(epochs, s["batches"]):
            pass

    return step, s["batches"] * s["batch"]


worker.serve(make)

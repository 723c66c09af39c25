#!/usr/bin/env python3
"""What pytorch-fid, torch-fidelity and Pillow say, for test_inception_peers.c and peers.sh to compare with.

  peers.py network FOLDER   a random network as .pth; inputs, features and logits of it
  peers.py images FOLDER    image files of all kinds and how Pillow and torch bring them to 299 x 299
  peers.py scores FOLDER [D]   features of D dimensions (512), and their FID, KID and Inception score
  peers.py fid WEIGHTS.pth A B       FID of two folders by pytorch-fid itself
  peers.py statistics FILE.npz       FID of statistics against themselves: can pytorch-fid read them?
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_fid import fid_score, inception

torch.set_num_threads(2)


def random_state(seed):
    """Weights that neither blow activations up nor let them die, batch norms that do something."""
    net = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    random = torch.Generator().manual_seed(seed)
    state = net.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(tensor.shape, generator=random)
        if name.endswith("conv.weight"):
            state[name] = noise * (1.8 / tensor[0].numel()) ** 0.5
        elif name.endswith("bn.weight"):
            state[name] = 1 + 0.2 * noise.clamp(-2, 2)
        elif name.endswith("running_var"):
            state[name] = 1 + 0.3 * noise.clamp(-2, 2)
        elif name == "fc.weight":
            state[name] = noise * 0.05
        else:
            state[name] = 0.1 * noise
    return state


def network_of(state, resize):
    """pytorch-fid's own construction, but for the download."""
    inception.load_state_dict_from_url = lambda *args, **kwargs: state
    full = inception.fid_inception_v3()
    return full, inception.InceptionV3([3], resize_input=resize, normalize_input=resize).eval()


def save(folder, name, array):
    np.save(folder / name, np.ascontiguousarray(array))


def write_network(folder):
    state = random_state(2015)
    torch.save(state, folder / "network.pth")
    full, net = network_of(state, False)
    inputs = torch.rand(11, 3, 299, 299, generator=torch.Generator().manual_seed(1)) * 2 - 1
    inputs[3] = 0
    inputs[4] = torch.linspace(-1, 1, 299).expand(3, 299, 299)
    with torch.no_grad():
        features = net(inputs)[0].squeeze(3).squeeze(2)
        logits = features @ full.fc.weight.T
    print(f"features: mean {features.mean():.3g}, deviation {features.std():.3g}, largest {features.max():.3g}")
    save(folder, "inputs.npy", inputs.numpy())
    save(folder, "features.npy", features.numpy())
    save(folder, "logits.npy", logits.detach().numpy())


def pattern(height, width, seed):
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([128 + 100 * np.sin(x / (5.0 + c) + seed) * np.cos(y / (7.0 - c)) for c in range(3)], 2)
    return np.clip(smooth + random.randint(-40, 40, smooth.shape), 0, 255).astype(np.uint8)


def clean(image):
    """clean-fid's make_resizer("PIL", False, "bicubic", (299, 299)), and what its network does first."""
    planes = [Image.fromarray(image[:, :, c].astype(np.float32), mode="F").resize((299, 299), Image.BICUBIC)
              for c in range(3)]
    planes = np.stack([np.asarray(p).clip(0, 255) for p in planes])
    return ((planes - 128) / 128).astype(np.float32)


def bilinear(image):
    """pytorch-fid: ToTensor, interpolate, 2 x - 1."""
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    x = torch.nn.functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
    return (2 * x - 1)[0].numpy()


SIZES = [(32, 32), (28, 28), (299, 299), (37, 211), (640, 480), (1, 1), (300, 5), (299, 64)]


def write_images(folder):
    for a, count in (("a", 24), ("b", 30)):
        (folder / a / "deeper").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            height, width = SIZES[(i + len(a)) % 5]
            image = Image.fromarray(pattern(height, width, i + 100 * (a == "b")))
            name = [f"{i:03}.png", f"{i:03}.JPEG", f"deeper/{i:03}.jpg"][i % 3]
            (image.convert("L") if i % 4 == 0 else image).save(folder / a / name)
    for i, (height, width) in enumerate(SIZES):
        image = pattern(height, width, i)
        Image.fromarray(image).save(folder / f"size{i}.png")
        save(folder, f"clean{i}.npy", clean(image))
        save(folder, f"bilinear{i}.npy", bilinear(image))


def write_scores(folder, d):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    random = np.random.RandomState(7)
    mix = random.randn(d, d) / d**0.5
    a = np.maximum(random.randn(d + 552, d) @ mix + 0.3, 0).astype(np.float32)
    b = np.maximum(random.randn(d + 252, d) @ (mix + random.randn(d, d) / d**0.5 / 5) + 0.35, 0).astype(np.float32)
    logits = (3 * random.randn(1234, 100)).astype(np.float32)
    wide_a, wide_b = torch.from_numpy(a.astype(np.float64)), torch.from_numpy(b.astype(np.float64))
    sa, sb = fid_features_to_statistics(wide_a), fid_features_to_statistics(wide_b)
    kid = kid_features_to_metric(wide_a, wide_b, kid_subsets=20, kid_subset_size=500, kid_kernel="poly",
                                 kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1,
                                 rng_seed=2020, verbose=False)
    isc = isc_features_to_metric(torch.from_numpy(logits))
    prc = prc_features_to_metric(wide_a, wide_b, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=False,
                                 verbose=False)
    expected = {
        "pytorch_fid": fid_score.calculate_frechet_distance(sa["mu"], sa["sigma"], sb["mu"], sb["sigma"]),
        "fidelity_fid": fid_statistics_to_metric(sa, sb, False)["frechet_inception_distance"],
        "kid_mean": kid["kernel_inception_distance_mean"], "kid_std": kid["kernel_inception_distance_std"],
        "isc_mean": isc["inception_score_mean"], "isc_std": isc["inception_score_std"],
        "precision": prc["precision"], "recall": prc["recall"],
    }
    save(folder, "a.npy", a)
    save(folder, "b.npy", b)
    save(folder, "class_logits.npy", logits)
    np.savez_compressed(folder / "b_statistics.npz", mu=sb["mu"], sigma=sb["sigma"])
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))
    print(json.dumps(expected))


def print_fid(weights, a, b):
    _, net = network_of(torch.load(weights), True)
    statistics = []
    for folder in (a, b):
        files = sorted(p for p in Path(folder).rglob("*") if p.is_file())
        statistics += fid_score.calculate_activation_statistics(files, net, 1, 2048, "cpu", 0)
    m1, s1, m2, s2 = statistics
    # pytorch-fid's root of a singular product is not a number to compare with: by singular values instead.
    root = lambda s: np.linalg.eigh(s)
    (l1, u1), (l2, u2) = root(s1), root(s2)
    l1, l2 = np.where(l1 > 1e-12 * l1[-1], l1, 0), np.where(l2 > 1e-12 * l2[-1], l2, 0)
    trace = np.linalg.svd((u1 * l1**0.5).T @ (u2 * l2**0.5), compute_uv=False).sum()
    print(repr(float((m1 - m2) @ (m1 - m2) + s1.trace() + s2.trace() - 2 * trace)))


def check_statistics(path):
    m, s = fid_score.compute_statistics_of_path(path, None, 1, 2048, "cpu", 0)
    assert m.shape == (2048,) and s.shape == (2048, 2048) and m.dtype == s.dtype == np.float64, (m.dtype, s.dtype)
    assert np.isfinite(m).all() and np.array_equal(s, s.T)
    print(repr(float(m.sum())), repr(float(s.trace())))


if __name__ == "__main__":
    verb, rest = sys.argv[1], sys.argv[2:]
    {"network": lambda: write_network(Path(rest[0])), "images": lambda: write_images(Path(rest[0])),
     "scores": lambda: write_scores(Path(rest[0]), int(rest[1]) if rest[1:] else 512), "fid": lambda: print_fid(*rest),
     "statistics": lambda: check_statistics(rest[0])}[verb]()

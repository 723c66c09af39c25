"""Value and gradient of the multi objective in PyTorch. Settings: batch, classes, features, threads, and form:

  loop      one logdet a class, as tests/golden/reference.py is written
  smaller   one Cholesky factorisation a class, of the smaller Gram matrix
  batched   the classes padded to one size, of the smaller Gram matrix, all in one batch
"""
import torch

import worker

EPS2 = 0.5


def rate_logdet(Z):
    n, d = Z.shape
    return 0.5 * torch.logdet(torch.eye(d) + d / (n * EPS2) * Z.T @ Z)


def rate_cholesky(Z, counts=None):
    """R of [n, d]; of every [n, d] of a batch padded with rows of zeros, which have no part in it."""
    n, d = Z.shape[-2:]
    alpha = d / (EPS2 * (n if counts is None else counts[:, None, None]))
    gram = Z @ Z.mT if n < d else Z.mT @ Z
    L = torch.linalg.cholesky(torch.eye(min(n, d)) + alpha * gram)
    return L.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def by_class(Z, Zhat, classes, rate):
    """sum_k of what class k adds, for loops."""
    total = 0.0
    for rows in classes:
        share = len(rows) / len(Z)
        total = total + rate(torch.cat([Z[rows], Zhat[rows]])) - (share + 0.5) * (rate(Z[rows]) + rate(Zhat[rows]))
    return total


def by_batch(Z, Zhat, padded, counts):
    """The same with one batch of matrices; index n of `padded` is a row of zeros."""
    zero = torch.zeros(1, Z.shape[1])
    Zk, Zhatk = torch.cat([Z, zero])[padded], torch.cat([Zhat, zero])[padded]
    rates = rate_cholesky(torch.cat([Zk, Zhatk]), counts.repeat(2)).view(2, -1).sum(0)
    both = rate_cholesky(torch.cat([Zk, Zhatk], dim=1), 2 * counts)
    return (both - (counts / len(Z) + 0.5) * rates).sum()


def make():
    s = worker.settings()
    torch.set_num_threads(s["threads"])
    torch.manual_seed(0)
    n = s["batch"]
    Z, Zhat = (torch.nn.functional.normalize(torch.randn(n, s["features"])).requires_grad_() for _ in range(2))
    classes = [torch.arange(k, n, s["classes"]) for k in range(min(n, s["classes"]))]
    counts = torch.tensor([len(rows) for rows in classes], dtype=torch.float32)
    padded = torch.nn.utils.rnn.pad_sequence(classes, batch_first=True, padding_value=n)
    rate = rate_logdet if s["form"] == "loop" else rate_cholesky

    def value():
        parts = by_batch(Z, Zhat, padded, counts) if s["form"] == "batched" else by_class(Z, Zhat, classes, rate)
        return rate(Z) + rate(Zhat) + parts

    if s["compiled"]:
        value = torch.compile(value, fullgraph=True)
    return lambda: torch.autograd.grad(value(), (Z, Zhat)), n


worker.serve(make)

"""PyTorch's training move and game batch. tests/golden/reference.py is the same mathematics, written to be read.

Settings: workload (move or game), layers, size, channels, batch, threads, device, precision (f32, tf32, bf16: autocast),
compiled (torch.compile, with the mode given), graph (all of a repetition as one CUDA graph), channels_last, gpu (written
as it is fast there), and backward: the transposed convolution as the data gradient of the convolution, which oneDNN
runs on CPUs where F.conv_transpose2d takes a slower path.
"""
import torch
import torch.nn.functional as F

import accelerator
import worker

LAMBDA, EPS2, STEP_SCALE, POWER_START, POWER_STEP, LR = 0.1, 0.5, 0.9, 60, 2, 1e-3
conv_backward = torch.ops.aten.convolution_backward


class Transposed(torch.autograd.Function):
    """A z by convolution_backward, and its own gradient by the same."""

    @staticmethod
    def forward(ctx, z, W, stride, pad, layout):
        side = (z.shape[2] - 1) * stride - 2 * pad + W.shape[2]
        ctx.save_for_backward(z, W)
        ctx.geometry = stride, pad
        image = torch.empty((z.shape[0], W.shape[1], side, side), dtype=z.dtype, device=z.device, memory_format=layout)
        return conv_backward(z, image, W, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, [True, False, False])[0]

    @staticmethod
    def backward(ctx, g):
        z, W = ctx.saved_tensors
        stride, pad = ctx.geometry
        dz = F.conv2d(g, W, stride=stride, padding=pad) if ctx.needs_input_grad[0] else None
        dW = conv_backward(z, g, W, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1,
                           [False, True, False])[1] if ctx.needs_input_grad[1] else None
        return dz, dW, None, None, None


def coding_rate(Z):
    return 0.5 * torch.logdet(gram(Z))


def coding_rate_cholesky(Z):
    """The same of a matrix that is positive definite, without a look at the result, for which a GPU would have to stop."""
    return torch.linalg.cholesky_ex(gram(Z)).L.diagonal().log().sum()


def gram(Z):
    n, d = Z.shape
    return torch.eye(d, device=Z.device) + d / (n * EPS2) * Z.T @ Z


def detached(tensors):
    return [tuple(t.detach() for t in i) if isinstance(i, tuple) else i.detach() for i in tensors]


class Net:
    """The autoencoder with two ISTA steps a layer, and both players' optimizers."""

    def __init__(self, s, device):
        self.geometry, self.s, self.device = worker.layers(s["layers"]), s, device
        self.coding_rate = coding_rate_cholesky if s["gpu"] else coding_rate
        self.layout = torch.channels_last if s["channels_last"] else torch.contiguous_format
        self.W, self.eta, self.v, self.enc_bn, self.dec_bn = [], [], [], [], []
        channels, side = s["channels"], s["size"]
        for l, (atoms, k, stride, pad) in enumerate(self.geometry):
            W = torch.randn(atoms, channels, k, k, device=device)
            W /= W.flatten(1).norm(dim=1)[:, None, None, None]
            self.W.append(W.to(memory_format=self.layout).requires_grad_())
            self.enc_bn.append(self.norm(atoms))
            if l > 0:
                self.dec_bn.append(self.norm(channels))
            channels, side = atoms, (side + 2 * pad - k) // stride + 1
            self.v.append(torch.ones(1, atoms, side, side, device=device).to(memory_format=self.layout))
            self.eta.append(torch.ones((), device=device))
        self.code_shape = channels, side, side
        enc, dec = self.leaves(self.enc_bn), self.leaves(self.dec_bn)
        adam = dict(lr=LR, betas=(0.5, 0.999), fused=True, capturable=s["graph"])
        self.optim = [torch.optim.Adam(enc, maximize=True, **adam), torch.optim.Adam(dec, **adam)]
        self.refresh(POWER_START)

    def norm(self, channels):
        return (torch.ones(channels, device=self.device, requires_grad=True),
                torch.zeros(channels, device=self.device, requires_grad=True))

    def leaves(self, *norms):
        return self.W + [t for bn in norms for pair in bn for t in pair]

    def autocast(self):
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.s["precision"] == "bf16")

    def synthesis(self, z, W, stride, pad):
        if not self.s["backward"]:
            return F.conv_transpose2d(z, W, stride=stride, padding=pad)
        if torch.is_autocast_enabled(self.device.type):
            z, W = z.bfloat16(), W.bfloat16()
        return Transposed.apply(z, W, stride, pad, self.layout)

    def encode(self, x, W, bn):
        for l, (_, _, stride, pad) in enumerate(self.geometry):
            eta = self.eta[l]
            z = F.relu(eta * F.conv2d(x, W[l], stride=stride, padding=pad) - LAMBDA * eta)
            r = x - self.synthesis(z, W[l], stride, pad)
            z = F.relu(z + eta * F.conv2d(r, W[l], stride=stride, padding=pad) - LAMBDA * eta)
            x = F.batch_norm(z, None, None, *bn[l], training=True)
        return F.normalize(x.flatten(1).float())

    def decode(self, Z, W, bn):
        x = Z.view(len(Z), *self.code_shape)
        for l in reversed(range(len(self.geometry))):
            _, _, stride, pad = self.geometry[l]
            x = self.synthesis(x, W[l], stride, pad)
            x = F.relu(F.batch_norm(x, None, None, *bn[l - 1], training=True)) if l else torch.tanh(x)
        return x

    def rate_distance(self, Z, Zhat):
        with torch.autocast(self.device.type, enabled=False):
            return self.coding_rate(torch.cat([Z, Zhat])) - 0.5 * (self.coding_rate(Z) + self.coding_rate(Zhat))

    def move_loss(self, x):
        with self.autocast():
            z = self.encode(x, self.W, self.enc_bn)
            xhat = self.decode(z, self.W, self.dec_bn)
            zhat = self.encode(xhat, self.W, self.enc_bn)
        return (z - zhat).square().sum() + xhat.float().square().sum()

    def max_value(self, x):
        with self.autocast():
            Z = self.encode(x, self.W, self.enc_bn)
            with torch.no_grad():
                xhat = self.decode(Z, self.W, self.dec_bn)
            Zhat = self.encode(xhat, self.W, self.enc_bn)
        return self.rate_distance(Z, Zhat)

    def min_value(self, x):
        fixed_W, fixed_bn = detached(self.W), detached(self.enc_bn)
        with self.autocast():
            with torch.no_grad():
                Z = self.encode(x, fixed_W, fixed_bn)
            xhat = self.decode(Z, self.W, self.dec_bn)
            Zhat = self.encode(xhat, fixed_W, fixed_bn)
        return self.rate_distance(Z, Zhat)

    @torch.no_grad()
    def refresh(self, iterations):
        """Step sizes by the power iteration, from where the last one ended."""
        for W, v, eta, (_, _, stride, pad) in zip(self.W, self.v, self.eta, self.geometry):
            for _ in range(iterations):
                v.copy_(F.conv2d(self.synthesis(v / v.norm(), W, stride, pad), W, stride=stride, padding=pad))
            eta.copy_(STEP_SCALE / v.norm())

    @torch.no_grad()
    def to_sphere(self):
        for W in self.W:
            W.div_(W.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None])

    def step(self, player, value, leaves):
        for leaf, grad in zip(leaves, torch.autograd.grad(value, leaves)):
            leaf.grad = grad
        self.optim[player].step()
        for leaf in leaves:
            leaf.grad = None  # compiled code uses its memory again
        self.to_sphere()
        self.refresh(POWER_STEP)


def compile_parts(net, x, mode):
    """A part that cannot be compiled is an error, not a slow path."""
    for t in (x, *net.leaves(net.enc_bn, net.dec_bn), *net.v, *net.eta):
        torch._dynamo.mark_static_address(t)  # else CUDA graphs copy it every time, or leave out what changes it
    for name in ("move_loss", "max_value", "min_value", "to_sphere", "refresh"):
        setattr(net, name, torch.compile(getattr(net, name), fullgraph=True, mode=mode))


def make():
    s = worker.settings()
    device = accelerator.prepare(s)
    net = Net(s, device)
    host = (2 * torch.rand(s["batch"], s["channels"], s["size"], s["size"]) - 1).contiguous(memory_format=net.layout)
    x = host.to(device, copy=True)
    if device.type == "cuda":
        host = host.pin_memory()
    if s["compiled"]:
        compile_parts(net, x, s["mode"])

    def move():
        torch.compiler.cudagraph_mark_step_begin()
        torch.autograd.grad(net.move_loss(x), net.leaves(net.enc_bn, net.dec_bn))

    def game():
        torch.compiler.cudagraph_mark_step_begin()
        if s["gpu"]:  # csctrl's batch, too, begins with images in the host's memory
            x.copy_(host, non_blocking=True)
        net.step(0, net.max_value(x), net.leaves(net.enc_bn))
        net.step(1, net.min_value(x), net.leaves(net.dec_bn))

    step = move if s["workload"] == "move" else game
    return accelerator.waiting(accelerator.recorded(step) if s["graph"] else step, device), s["batch"]


worker.serve(make, accelerator.device_kib)

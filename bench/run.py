#!/usr/bin/env python3
"""csctrl beside its peers on this machine. docs/benchmarks.md says how to read the result.

Each case runs csctrl and one peer after the other in turns: both processes stay alive, are warm, sit on the same
processors, and take every turn twice a round in the order csctrl, peer, peer, csctrl. A ratio is the median over the
rounds of peer over csctrl, so that a machine that drifts does not change it. With --gpu they are compared on an NVIDIA GPU.
"""
import argparse
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
TURN_SECONDS = 0.3  # a turn repeats the workload for about this long
NO_GPU = 77         # exit code that test drivers take as "skipped"


# ---------------------------------------------------------------- the cases
@dataclasses.dataclass
class Case:
    name: str
    workload: str
    batch: int
    threads: int = 1
    precision: str = "f32"
    isa: str = "auto"
    size: int = 32
    layers: str = ""
    classes: int = 10
    data: str = ""        # path, for the loader
    batches: int = 1      # a repetition, for the loader
    wanted: float = None  # ratio to the fastest peer
    gpu: bool = False


DEFAULT_STACK = "64x4s2p1 128x4s2p1 256x4s2p1 128x4s1p0"


def preset(name):
    """Size and layers of a shipped config."""
    text = (ROOT / "configs" / f"{name}.yaml").read_text()
    return dict(size=int(re.search(r"^  size: (\d+)", text, re.M)[1]), layers=re.search(r"^  layers: (.+)", text, re.M)[1])


def cases(many, data):
    """`many`: how many threads the cases for several threads use."""
    full = dict(layers=DEFAULT_STACK)
    half = dict(layers="32x4s2p1 64x4s2p1 128x4s2p1 128x4s1p0")
    deep = dict(layers="64x3s1p1 64x3s1p1 64x3s1p1 64x4s2p1 128x4s2p1 256x4s2p1 128x4s1p0")
    rate = dict(size=4, layers="128x4s1p0")
    bf16, several = dict(precision="bf16"), dict(threads=many)
    listed = [
        Case("move", "move", 128, **full, wanted=2.0),
        Case("move-threads", "move", 128, **full, **several, wanted=2.0),
        Case("move-scaling", "scaling", 128, **full, **several, wanted=1.85),
        Case("move-bf16", "move", 128, **full, **bf16, wanted=2.0),
        Case("move-bf16-threads", "move", 128, **full, **bf16, **several, wanted=2.0),
        Case("move-avx2", "move", 128, **full, isa="avx2", wanted=1.5),
        Case("move-n64", "move", 64, **full),
        Case("move-n256", "move", 256, **full),
        Case("move-half", "move", 128, **half),
        Case("move-3x3", "move", 32, **deep, wanted=1.5),
        Case("move-64x64", "move", 64, **preset("celeba64"), wanted=1.5),
        Case("move-128x128", "move", 16, **preset("imagenet128"), wanted=1.5),
        Case("game", "game", 128, **full, wanted=2.0),
        Case("game-threads", "game", 128, **full, **several, wanted=2.0),
        Case("game-bf16", "game", 128, **full, **bf16, wanted=2.0),
        Case("rate-10", "rate", 256, **rate, classes=10, wanted=5.0),
        Case("rate-10-n2048", "rate", 2048, **rate, classes=10),
        Case("rate-1000", "rate", 2048, **rate, classes=1000),
        Case("encode-n1", "encode", 1, **full, wanted=2.0),
        Case("encode-n256", "encode", 256, **full, wanted=2.0),
        Case("encode-n256-threads", "encode", 256, **full, **several, wanted=2.0),
    ]
    for item in data or [""]:
        path, _, size = item.partition(":")
        name = Path(path).name.split(".")[0]
        size = int(size or 32)
        listed.append(Case(f"loader-{name}" if name else "loader", "loader", 64, size=size, data=path,
                           batches=64 if size <= 32 else 4, wanted=2.0))
    return listed


def gpu_cases():
    """In a rehearsal one small stack instead, which a CPU does in seconds."""
    full = dict(layers=DEFAULT_STACK)
    sizes = {"n256": dict(batch=256, **full), "n1024": dict(batch=1024, **full), "n4096": dict(batch=4096, **full),
             "64x64": dict(batch=512, **preset("celeba64")), "128x128": dict(batch=128, **preset("imagenet128"))}
    if args.rehearse:
        sizes = {"tiny": dict(batch=6, size=8, layers="8x4s2p1 16x4s1p0")}
    return [Case(f"gpu-{workload}-{name}{'' if precision == 'f32' else '-' + precision}", workload, precision=precision,
                 gpu=True, **facts)
            for name, facts in sizes.items() for workload in ("move", "game") for precision in ("f32", "tf32", "bf16")]


def all_cases():
    return gpu_cases() if args.gpu else cases(args.threads, args.data)


def csctrl_command(case, threads):
    device = "cuda" if case.gpu else "auto"
    config = [f"device={device}", f"threads={threads}", f"isa={case.isa}", f"precision={case.precision}", "data.channels=3",
              f"data.size={case.size}", f"{'eval' if case.workload == 'encode' else 'train'}.batch={case.batch}"]
    if case.layers:
        config.append(f"model.layers={case.layers}")
    if case.data:
        config += [f"data.path={case.data}", "data.flip=true", "data.holdout=0", "data.prefetch=1", f"train.batches={case.batches}"]
    workload = "move" if case.workload == "scaling" else case.workload
    return [str(args.build / "bench" / "csctrl_bench"), workload, str(case.classes), *config]


def peer_commands(case):
    """(label, command) of every peer of the case."""
    if case.workload == "scaling":
        return [("csctrl, 1 thread", csctrl_command(case, 1))]
    shared = dict(threads=case.threads, batch=case.batch, size=case.size, channels=3, layers=case.layers)
    train = dict(workload=case.workload, precision=case.precision, gpu=case.gpu, device=torch_device(case))
    if case.gpu:  # there both ways to write the transposed convolution are one call of cuDNN
        script, variants = "torch_train.py", [
            (f"torch {name}, {'channels_last' if last else 'contiguous'}",
             train | dict(how, channels_last=last, backward=False))
            for name, how in (("eager", dict(compiled=False, graph=False)),
                              ("eager, one CUDA graph", dict(compiled=False, graph=True)),
                              ("compile max-autotune", dict(compiled=True, graph=False, mode="max-autotune")))
            for last in (False, True)]
    elif case.workload in ("move", "game"):
        script, variants = "torch_train.py", [
            (f"torch {'compile' if compiled else 'eager'}, {'channels_last' if last else 'contiguous'}, "
             f"{'convolution_backward' if backward else 'conv_transpose2d'}",
             train | dict(compiled=compiled, mode=None, graph=False, channels_last=last, backward=backward))
            for compiled in (False, True) for last in (False, True) for backward in (False, True)]
    elif case.workload == "rate":
        script, variants = "torch_rate.py", [
            (f"torch {'compile' if compiled else 'eager'}, {form}",
             dict(form=form, compiled=compiled, classes=case.classes, features=128))
            for form, compiled in (("loop", False), ("smaller", False), ("batched", False), ("batched", True))]
    elif case.workload == "encode":
        script, variants = "onnx_encode.py", [("ONNX Runtime", {})]
    else:
        folder = str(unpacked(case.data))
        script, variants = "torchvision_loader.py", [
            (f"torchvision, {form}", dict(form=form, folder=folder, batches=case.batches)) for form in ("pil", "draft", "tensor")]
    return [(label, peer_command(script, shared | own)) for label, own in variants]


def peer_command(script, settings):
    return [str(peer_python()), str(PEERS / script), json.dumps(settings)]


def torch_device(case):
    return "cuda" if case.gpu and not args.rehearse else "cpu"


def unpacked(path):
    """The folder of class folders in a tar, unpacked once under build/; torchvision reads no tar."""
    facts = f"{Path(path).resolve()} {os.stat(path).st_size} {os.stat(path).st_mtime_ns}"
    base = ROOT / "build" / "bench-data" / hashlib.sha256(facts.encode()).hexdigest()[:16]
    if not base.exists():
        part = base.with_name(base.name + ".part")
        with tarfile.open(path) as tar:
            tar.extractall(part / "all", filter="data")
        part.rename(base)
    first = next(f for f in sorted(base.rglob("*")) if f.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return first.parent.parent  # without class folders, "all" is the one class


# ---------------------------------------------------------------- workers
class NotRun(Exception):
    """Why something was not run, in one line."""


class Worker:
    """A process that repeats one workload on request."""

    def __init__(self, command, case, threads):
        cpus = ",".join(map(str, args.cpus if case.gpu else args.cpus[-threads:]))  # torch.compile takes all it gets
        env = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        if "csctrl_bench" in command[0]:
            env["GOMP_SPINCOUNT"] = "1000"  # what the csctrl program sets for itself
            if args.rehearse:  # the tests' stand-in for the module
                env["LD_LIBRARY_PATH"] = str(args.build / "tests" / "cuda")
        if case.isa == "avx2":
            env |= {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                    "OPENBLAS_CORETYPE": "Haswell"}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(["taskset", "-c", cpus, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=env)
        self.warm_up = 3 if case.gpu else 0  # graphs are recorded after the first repetition
        self.peak_mib = self.device_mib = 0.0

    def __enter__(self):
        facts = self.answer()
        self.images, self.base_mib = facts["images"], facts["base_kib"] / 1024
        self.flops = facts.get("flops", 0.0)
        self.executed = facts.get("executed") or self.flops
        self.bytes = facts.get("bytes", 0.0)
        if self.warm_up:
            self.turn(self.warm_up)
        self.repetitions = max(1, round(TURN_SECONDS / self.turn(self.warm_up or 1)))
        self.device_mib = facts.get("plan_kib", 0.0) / 1024 or self.device_mib
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def answer(self):
        line = next((line for line in self.process.stdout if line.startswith("{")), "")
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            last = [text.strip() for text in self.errors if text.strip()] or [f"exit status {code}"]
            error = [text for text in last if re.match(r"[\w.]+(Error|Exception|Unsupported)\b", text)] or last
            raise NotRun(error[-1][:200])
        return json.loads(line)

    def turn(self, repetitions=None):
        """Median seconds of a turn's repetitions."""
        self.process.stdin.write(f"{repetitions or self.repetitions}\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.peak_mib = answer["peak_kib"] / 1024
        self.device_mib = answer.get("device_kib", 0) / 1024 or self.device_mib
        return statistics.median(answer["seconds"])

    def process_mib(self):
        """Of the GPU's memory, with CUDA's own, as nvidia-smi tells; 0 where it does not."""
        try:
            told = subprocess.run(["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
                                  capture_output=True, text=True).stdout
        except OSError:
            return 0.0
        found = re.search(rf"^{self.process.pid}, *(\d+)", told, re.M)
        return float(found[1]) if found else 0.0


@dataclasses.dataclass
class Series:
    """One process's times for one image, and its memory."""
    label: str
    seconds: list
    batch: int
    peak_mib: float
    base_mib: float
    flops: float = 0.0     # as SPEC.md writes the convolutions
    executed: float = 0.0  # as they are computed; a peer's are not known
    bytes: float = 0.0        # what its convolutions must move at least
    device_mib: float = 0.0   # of a GPU's memory: as planned, or as PyTorch's allocator held
    process_mib: float = 0.0  # of a GPU's memory, by nvidia-smi
    ratios: list = dataclasses.field(default_factory=list)  # peer over csctrl, a round

    def rate(self):
        return 1 / statistics.median(self.seconds)


def series(label, worker, seconds):
    images = worker.images or 1
    return Series(label, [s / worker.images for s in seconds], worker.images, worker.peak_mib, worker.base_mib,
                  worker.flops / images, worker.executed / images, worker.bytes / images, worker.device_mib)


@functools.cache
def gauge(what):
    """A process that measures the GPU, kept for the run: PyTorch takes longer to start than to measure it."""
    case = Case("gpu", what, 0, gpu=True)
    settings = dict(precision=what, device=torch_device(case), threads=1, side=128 if args.rehearse else 8192)
    return kept.enter_context(Worker(peer_command("torch_chip.py", settings), case, 1))


@contextlib.contextmanager
def gauges(case):
    """Workers whose FLOPs (or bytes) a second are the machine's peak: one for its arithmetic, on a GPU one for its memory."""
    if case.gpu:
        yield [gauge(case.precision), gauge("copy")]
        return
    name = "peak-bf16" if case.precision == "bf16" else "peak"
    command = [str(args.build / "bench" / "csctrl_bench"), name, "0", f"threads={case.threads}", f"isa={case.isa}"]
    with Worker(command, case, case.threads) as peak:
        yield [peak]


def play(case, label, command):
    """csctrl and one peer in turns. The machine's peaks take their turn too."""
    threads = 1 if case.workload == "scaling" else case.threads
    with Worker(csctrl_command(case, case.threads), case, case.threads) as ours, \
            Worker(command, case, threads) as theirs, gauges(case) as peaks:
        mine, other, found = [], [], [[] for _ in peaks]
        for _ in range(args.rounds):
            for worker, times in ((ours, mine), (theirs, other), (theirs, other), (ours, mine)):
                times.append(worker.turn())
            for peak, rates in zip(peaks, found):
                rates.append((peak.flops or peak.bytes) / peak.turn())
        a, b = series("csctrl", ours, mine), series(label, theirs, other)
        if case.gpu:
            a.process_mib, b.process_mib = ours.process_mib(), theirs.process_mib()
        b.flops, b.executed = a.flops, 0.0
        b.ratios = [sum(b.seconds[i:i + 2]) / sum(a.seconds[i:i + 2]) for i in range(0, len(mine), 2)]
        return a, b, [statistics.median(rates) for rates in found]


# ---------------------------------------------------------------- the table
HEADER = f"{'':50} {'ms':>10} {'lowest':>10} {'highest':>10} {'images/s':>10} {'GFLOP/s':>8} {'of peak':>7} {'MiB':>7} {'own MiB':>7} " \
         f"{'times csctrl (lowest, highest)':>30}"


GPU_HEADER = f"{'':50} {'ms':>10} {'lowest':>10} {'highest':>10} {'images/s':>10} {'TFLOP/s':>8} {'of peak':>7} " \
             f"{'MiB':>7} {'process':>7} {'times csctrl (lowest, highest)':>30}"
SUMMARY = f"{'case':28} {'times':>6}  {'wanted':8}  {'of peak':7}  {'memory':>6} {'own':>6}  the fastest peer"
GPU_SUMMARY = f"{'case':28} {'times':>6}  {'TFLOP/s':>8}  {'of peak':>7}  {'of floor':>8}  {'memory':>6} {'process':>7}  " \
              "the fastest peer"


def row(s, peak):
    ms = [1e3 * s.batch * f(s.seconds) for f in (statistics.median, min, max)]
    work = f"{s.flops * s.rate() * 1e-9:8.1f}" if s.flops else f"{'':8}"
    work += f" {100 * s.executed * s.rate() / peak:6.0f}%" if s.executed else f" {'':7}"
    return columns(s, ms, work, f"{s.peak_mib:7.0f} {s.peak_mib - s.base_mib:7.0f}")


def gpu_row(s, peak):
    ms = [1e3 * s.batch * f(s.seconds) for f in (statistics.median, min, max)]
    work = f"{s.flops * s.rate() * 1e-12:8.2f} {100 * s.flops * s.rate() / peak:6.1f}%"
    return columns(s, ms, work, f"{s.device_mib:7.0f} " + (f"{s.process_mib:7.0f}" if s.process_mib else f"{'?':>7}"))


def columns(s, ms, work, memory):
    ratio = f"{statistics.median(s.ratios):14.2f} ({min(s.ratios):.2f}, {max(s.ratios):.2f})" if s.ratios else ""
    return f"{s.label:50} {ms[0]:10.3f} {ms[1]:10.3f} {ms[2]:10.3f} {s.rate():10.1f} {work} {memory} {ratio:>30}"


def floor(ours, peaks):
    """Seconds an image that no program can do without: all products at the rate of a matrix product, or their operands
    once through memory at the rate of a copy."""
    return max(ours.flops / peaks[0], ours.bytes / peaks[1])


def few(peers, asked):
    return f" ({len(peers)} of {asked} peers)" if len(peers) < asked else ""


def fastest(peers):
    return min(peers, key=lambda p: statistics.median(p.ratios))


def gpu_verdict(case, ours, peers, peaks, asked):
    """The case's line of the summary on a GPU."""
    best = fastest(peers)
    memory = min(p.device_mib for p in peers) / ours.device_mib
    process = min(p.process_mib for p in peers) / ours.process_mib if ours.process_mib else 0.0
    return f"{case.name:28} {statistics.median(best.ratios):6.2f}  {ours.flops * ours.rate() * 1e-12:8.2f}  " \
           f"{100 * ours.flops * ours.rate() / peaks[0]:5.1f} %  {100 * floor(ours, peaks) * ours.rate():6.1f} %  " \
           f"{memory:6.2f} {f'{process:7.2f}' if process else '      ?'}  {best.label}{few(peers, asked)}"


def verdict(case, ours, peers, peaks, asked):
    """The case's line of the summary; `asked`: how many peers there are."""
    if not peers:
        return f"{case.name:28} not run"
    if case.gpu:
        return gpu_verdict(case, ours, peers, peaks, asked)
    best = fastest(peers)
    ratio = statistics.median(best.ratios)
    wanted = f"{case.wanted:.2f} {'yes' if ratio >= case.wanted else 'NO'}" if case.wanted else ""
    share = f"{100 * ours.executed * ours.rate() / peaks[0]:3.0f} %" if ours.executed else ""
    whole = min(p.peak_mib for p in peers) / ours.peak_mib
    own = min(p.peak_mib - p.base_mib for p in peers) / max(1.0, ours.peak_mib - ours.base_mib)
    return f"{case.name:28} {ratio:6.2f}  {wanted:8}  {share:>7}  {whole:6.2f} {own:6.2f}  {best.label}{few(peers, asked)}"


def describe(case):
    facts = [] if case.gpu else [f"{case.threads} thread{'s' if case.threads > 1 else ''}"]
    facts.append(case.precision)
    if case.isa != "auto":
        facts.append(case.isa)
    if case.workload == "rate":
        return ", ".join([f"{case.batch} rows, 128 features, {case.classes} classes", *facts])
    if case.workload == "loader":
        return f"{Path(case.data).name}, {case.size}x{case.size}, 1 core"
    return ", ".join([f"batch {case.batch} of 3x{case.size}x{case.size}, {case.layers}", *facts])


def run_case(case):
    """Section of the result: lines."""
    today = datetime.date.today().isoformat()
    head = f"== {case.name}: {describe(case)}"
    rows, mine, peers, found = [], [], [], []
    try:
        if case.threads > len(args.cpus):
            raise NotRun(f"needs {case.threads} processors, found {len(args.cpus)}")
        if case.workload == "loader" and not case.data:
            raise NotRun("give --data PATH of a tar of class folders of JPEGs")
        with Worker(csctrl_command(case, case.threads), case, case.threads):
            pass  # without csctrl there is nothing to compare
        for label, command in peer_commands(case):
            if args.peer and not any(word in label for word in args.peer):
                rows.append(f"{label:50} left out by --peer")
                continue
            try:
                if time.monotonic() > args.deadline:
                    raise NotRun("the --minutes were over")
                ours, theirs, peaks = play(case, label, command)
                mine.append(ours), peers.append(theirs), found.append(peaks)
                rows.append(theirs)
            except NotRun as reason:
                rows.append(f"{label:50} not run: {reason}")
            print(f"   {label}", file=sys.stderr, flush=True)
    except (NotRun, OSError) as reason:
        return [head, f"{today}; {versions()}", f"not run: {reason}", verdict(case, None, [], [], 0)]
    if not peers:
        return [head, f"{today}; {versions()}", *rows, verdict(case, None, [], [], 0)]
    ours = dataclasses.replace(mine[0], seconds=[s for m in mine for s in m.seconds], peak_mib=max(m.peak_mib for m in mine))
    peaks = [statistics.median(rates) for rates in zip(*found)]
    facts = f"{today}; {args.rounds} rounds; {versions()}; {describe_peaks(ours, peaks)}"
    header, one = (GPU_HEADER, gpu_row) if case.gpu else (HEADER, row)
    table = [one(ours, peaks[0]), *(r if isinstance(r, str) else one(r, peaks[0]) for r in rows)]
    return [head, facts, header, *table, verdict(case, ours, peers, peaks, len(rows))]


def describe_peaks(ours, peaks):
    if len(peaks) == 1:
        return f"peak {peaks[0] * 1e-9:.0f} GFLOP/s"
    ms = [1e3 * ours.batch * per_image for per_image in (floor(ours, peaks), ours.flops / peaks[0], ours.bytes / peaks[1])]
    return f"peak {peaks[0] * 1e-12:.3g} TFLOP/s (matmul), {peaks[1] * 1e-9:.4g} GB/s (copy); " \
           f"floor {ms[0]:.3f} ms (products {ms[1]:.3f}, memory {ms[2]:.3f})"


@functools.cache
def versions():
    """Of csctrl and its peers."""
    git = functools.partial(subprocess.run, cwd=ROOT, capture_output=True, text=True)
    commit = git(["git", "describe", "--always"]).stdout.strip()
    if git(["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results"]).stdout:  # results are no change
        commit += "-dirty"
    names = ("torch", "triton") if args.gpu else ("torch", "torchvision", "onnxruntime")
    code = f"from importlib.metadata import version as v, packages_distributions as p\n" \
           f"print(', '.join(f'{{n}} {{v(n)}}' for n in {names} if n in p()))"
    try:
        peers = subprocess.run([peer_python(), "-c", code], capture_output=True, text=True).stdout.strip()
    except OSError:
        peers = ""
    return f"csctrl {commit}, {peers or 'no peers installed'}"


def gpu_of(python):
    """How PyTorch names the GPU that this interpreter's can use; empty without one."""
    code = "import torch\nif torch.cuda.is_available():\n p = torch.cuda.get_device_properties(0)\n" \
           " print(f'{p.name}, {p.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}, " \
           "cuDNN {torch.backends.cudnn.version()}')"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


@functools.cache
def peer_python():
    """The interpreter of the peers. Where there is a GPU, PyTorch often is there for the interpreter that runs this."""
    venv = args.venv / "bin" / "python"
    return sys.executable if args.gpu and not args.rehearse and gpu_of(sys.executable) else venv


@functools.cache
def gpu():
    return "rehearsal without a GPU" if args.rehearse else gpu_of(peer_python())


# ---------------------------------------------------------------- the result file
def processor():
    found = re.search(r"^model name\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1].strip() if found else platform.machine()


def write_result(path, fresh):
    """Sections of this run replace those of the same name, all others stay."""
    old = path.read_text() if path.exists() else ""
    kept = {part.split(":")[0]: ["== " + part.rstrip()] for part in re.split(r"^== ", old, flags=re.M)[1:]}
    for lines in fresh:
        kept[lines[0][3:].split(":")[0]] = lines
    order = [case.name for case in all_cases()]
    names = sorted(kept, key=lambda name: (order.index(name) if name in order else len(order), name))
    sections = ["\n".join(kept[name]) for name in names]
    summary = [section.rstrip().splitlines()[-1] for section in sections]
    machine = f"{processor()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([
        f"{gpu()}; {machine}" if args.gpu else machine, "",
        GPU_SUMMARY if args.gpu else SUMMARY, *summary, "",
        "\n\n".join(sections), ""]))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="run only cases whose name contains WORD (repeatable); =NAME for that one alone")
    parser.add_argument("--peer", metavar="WORD", action="append", default=[],
                        help="only peers whose label contains WORD (repeatable); the result tells so")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    parser.add_argument("--gpu", action="store_true",
                        help=f"the cases for one NVIDIA GPU, with the PyTorch of this Python where it can use it; without "
                             f"a GPU the exit code is {NO_GPU}")
    parser.add_argument("--rehearse", action="store_true",
                        help="of --gpu everything but the GPU, on the CPU and small: does it run? Needs a full build")
    parser.add_argument("--rounds", type=int, default=7, help="rounds a peer (7)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing more after so many")
    parser.add_argument("--quick", action="store_true", help="one round: does everything run? Figures mean little")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()), help="of the cases with several threads (2)")
    parser.add_argument("--cpus", type=lambda text: [int(c) for c in text.split(",")], default=sorted(os.sched_getaffinity(0)),
                        help="processors to use, as 2,3; a case takes the last of them (all of this process)")
    parser.add_argument("--data", metavar="PATH[:SIZE]", action="append", default=[],
                        help="tar of class folders of JPEGs for the loader, and the side to resize to (repeatable; 32)")
    parser.add_argument("--out", type=Path, help="result file (bench/results/PROCESSOR.txt, or GPU.txt)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help="CMake's build folder")
    parser.add_argument("--venv", type=Path, default=ROOT / "build" / "bench-venv", help="made by bench/setup.sh")
    parsed = parser.parse_args()
    parsed.gpu |= parsed.rehearse
    parsed.deadline = time.monotonic() + 60 * parsed.minutes
    if parsed.quick:
        parsed.rounds = 1
    return parsed


def chosen(case):
    return not args.only or any(w[1:] == case.name if w[0] == "=" else w in case.name for w in args.only)


def main():
    listed = [case for case in all_cases() if chosen(case)]
    if args.list:
        print("\n".join(f"{case.name:28} {describe(case)}" for case in listed))
        return 0
    if not listed:
        print(f"bench: no case has {' or '.join(args.only)} in its name; see --list", file=sys.stderr)
        return 1
    if args.gpu and not gpu():
        print("bench: skipped, PyTorch finds no NVIDIA GPU here", file=sys.stderr)
        return NO_GPU
    slug = re.sub(r"[^a-z0-9]+", "-", (gpu().split(",")[0] if args.gpu else processor()).lower()).strip("-")
    path = args.out or ROOT / "bench" / "results" / f"{slug}.txt"
    for case in listed:
        start = time.monotonic()
        if start > args.deadline:
            print(f"{case.name} not begun: the --minutes are over", file=sys.stderr)
            continue
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        lines = run_case(case)
        write_result(path, [lines])
        print("\n".join(lines), f"({time.monotonic() - start:.0f} s)\n", sep="\n", flush=True)
    print(f"bench: wrote {path}")
    return 0


if __name__ == "__main__":
    args = parse()
    with contextlib.ExitStack() as kept:
        code = main()
    sys.exit(code)

#!/usr/bin/env python3
"""recipe.py SETTINGS TABLE - trains a model for every line of SETTINGS and every seed, and writes one table.

A line of SETTINGS is `label: key=value key=value ...` (keys: csctrl options); an empty line or one that starts with
# is passed over. Runs are kept in --runs, so that a table grows: what is there is not trained again, and what was
interrupted goes on. All figures are of held-out images.
"""
import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path


def call(*words):
    """Standard output of a command; its messages go to the terminal."""
    return subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def read_settings(path):
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            label, colon, rest = line.partition(":")
            if not colon or not label.strip():
                sys.exit(f"{path}:{number}: expected 'label: key=value ...', found '{line}'")
            yield label.strip(), shlex.split(rest)


def train(csctrl, config, run, settings):
    """The settings are kept beside the run, so that one of the same label but other settings is not taken for it."""
    sets = [word for s in settings for word in ("--set", s)]
    kept, wanted = run.parent / f"{run.name}.settings", "\n".join([str(config), *settings]) + "\n"
    if not run.exists():
        run.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(wanted)
        call(csctrl, "train", config, "--out", run, "--quiet", *sets)
    else:
        if not kept.exists() or kept.read_text() != wanted:
            sys.exit(f"{run}: trained with other settings than this line's; give the line another label, or remove the run")
        call(csctrl, "resume", run, "--quiet")
    return json.loads(call(csctrl, "eval", run, "--json"))


def curve(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(r["step"], r["psnr"]) for r in lines if "psnr" in r], lines[-1]["seconds"]


def largest_fall(points, window=5):
    """dB by which the moving average of the last half is below its best so far, at most."""
    values = [psnr for _, psnr in points]
    if len(values) < window:
        return float("nan")
    means = [sum(values[i:i + window]) / window for i in range(len(values) - window + 1)]
    best, fall = float("-inf"), 0.0
    for i, mean in enumerate(means):
        best = max(best, mean)
        if i >= len(means) // 2:
            fall = max(fall, best - mean)
    return fall


def along(points, count=6):
    picks = sorted({round((i + 1) * len(points) / count) - 1 for i in range(count)} - {-1})
    return ", ".join(f"{points[i][0]}: {points[i][1]:.1f}" for i in picks)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("settings")
    p.add_argument("table")
    p.add_argument("--config", default="fashion-mnist")
    p.add_argument("--seeds", default="0", help="such as 0,1,2")
    p.add_argument("--runs", default="runs/recipe")
    p.add_argument("--csctrl", default="build/release/tools/csctrl")
    a = p.parse_args()
    rows = []
    for label, settings in read_settings(a.settings):
        for seed in a.seeds.split(","):
            run = Path(a.runs) / f"{label.replace(' ', '-')}-{seed}"
            figures = train(a.csctrl, a.config, run, [*settings, f"seed={seed}"])
            points, seconds = curve(run)
            zeros = " ".join(f"{share:.2f}" for share in figures["sparsity"])
            rows.append(f"| {label} | {seed} | {figures['psnr']:.2f} | {figures['ssim']:.3f} | {figures['cosine']:.3f} | "
                        f"{figures['accuracy']:.3f} | {figures['rate_z']:.1f} | {zeros} | {largest_fall(points):.2f} | "
                        f"{along(points)} | {seconds:.0f} |")
            print(rows[-1], flush=True)
            Path(a.table).write_text(
                "| setting | seed | PSNR dB | SSIM | cosine | accuracy | R(Z) nats | zero codes by layer | largest fall dB | PSNR along the run | s |\n"
                "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()

#!/bin/sh
# chromium.sh PROGRAM - opens the report of a small run in headless Chromium: no error on the console, no request for anything
# but the page, every picture decodes. Exit status 77 (skipped) without chromium or python3.
set -eu
program=$1
here=$(dirname "$(realpath "$0")")
for needed in chromium python3; do
    command -v $needed >/dev/null || {
        echo "skipped: no $needed; scripts/setup.sh dev installs it"
        exit 77
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.yaml" <<'YAML'
threads: 1
data: {kind: synthetic, size: 16, synthetic_count: 256}
model: {layers: 8x4s2p1 16x4s2p1 16x4s1p0}
train: {batch: 16, batches: 6, log_every: 1, eval_every: 3, eval_images: 16}
eval: {count: 64, fit_count: 128, components: 4}
YAML
"$program" train "$work/run.yaml" --out "$work/run" --quiet
"$program" report "$work/run"
python3 "$here/open_page.py" "$work/run/report/report.html" "$work/run/report"

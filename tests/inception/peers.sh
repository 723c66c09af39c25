#!/usr/bin/env bash
# peers.sh SOURCE TEST PROGRAM - csctrl's scores against pytorch-fid and torch-fidelity, from a random
# network on. Needs build/peers of scripts/setup_peers.sh; exit status 77 where that is not there.
set -euo pipefail
source=$(realpath "$1") test=$(realpath "$2") program=$(realpath "$3")
python=$source/build/peers/bin/python
peers=$source/tests/inception/peers.py convert=$source/scripts/convert_inception.py
"$python" -c 'import pytorch_fid.fid_score, torch_fidelity' 2>/dev/null || {
    echo "skipped: no pytorch-fid and torch-fidelity; scripts/setup_peers.sh installs them"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# key FILE PATH...: a value of a JSON file.
key() {
    "$python" -c 'import functools, json, sys
print(functools.reduce(lambda o, k: o[k], sys.argv[2:], json.load(open(sys.argv[1]))))' "$@"
}

# close A B TOLERANCE: relative.
close() {
    echo "$1 against $2"
    "$python" -c 'import sys; a, b, t = map(float, sys.argv[1:]); sys.exit(not abs(a - b) <= t * abs(b))' "$@" ||
        fail "$1 is not within $3 of $2"
}

"$python" "$peers" network .
"$python" "$peers" images .
"$python" "$peers" scores .

echo "== converter"
"$python" "$convert" network.pth no.safetensors 2>err && fail "weights of another hash were taken"
grep -q 'expected SHA-256 6726825d' err || fail "the refusal does not name the hash"
[ ! -e no.safetensors ] || fail "a refused file was written"
"$python" "$convert" --unpinned random network.pth network.safetensors

echo "== library"
"$test"

echo "== statistics for pytorch-fid"
"$program" stats b -o b.npz --inception network.safetensors --resize pytorch 2>err
grep -q 'fewer than the 2048 features' err || fail "stats does not warn of few images"
"$python" "$peers" statistics b.npz

echo "== folders, mixed sizes and grey: pytorch-fid's own way of reading and resizing"
"$program" score a b --inception network.safetensors --resize pytorch -o score.json >out 2>err
cat out
expected=$("$python" "$peers" fid network.pth a b 2>/dev/null | tail -n 1)
close "$(key score.json scores frechet_distance_unpinned)" "$expected" 1e-4
grep -q 'FID' <(grep -v 'not the weights of FID' out) && fail "unpinned weights are called FID"
grep -q '"fid"\|"kid"' score.json && fail "unpinned weights are called FID in JSON"
"$program" score a b.npz --inception network.safetensors --resize pytorch -o against.json >out 2>err
close "$(key against.json scores frechet_distance_unpinned)" "$(key score.json scores frechet_distance_unpinned)" 1e-9
grep -q 'missing: KID' out || fail "score does not say what statistics lack"
"$program" score a b.npz --inception network.safetensors 2>err && fail "another recipe was taken"
grep -q 'another recipe' err || fail "the refusal does not speak of the recipe"
"$program" score a b --fid-only --inception network.safetensors --resize pytorch --json >only.json 2>err
close "$(key only.json scores frechet_distance_unpinned)" "$(key score.json scores frechet_distance_unpinned)" 1e-9

echo "== names: the same weights as if they were the published ones"
"$python" - <<PY
import importlib.util, torch
spec = importlib.util.spec_from_file_location("convert", "$convert")
convert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(convert)
convert.write("named.safetensors", torch.load("network.pth"), convert.PINNED)
PY
"$program" score a b --inception named.safetensors >out 2>err
grep -q '^  FID  ' out && grep -q '^  KID, 100 subsets of 24 ' out && grep -q '^  Inception score, 10 splits' out ||
    fail "pinned weights are not called FID: $(cat out)"

echo "== statistics of a tool that does not say its recipe, and those of another recipe"
"$program" stats b -o ours.npz --inception named.safetensors 2>err
"$python" -c 'import numpy
f = numpy.load("ours.npz")
numpy.savez("foreign.npz", mu=f["mu"], sigma=f["sigma"])'
"$program" score a ours.npz --inception named.safetensors >out 2>err
grep -q '^  FID  ' out || fail "by one recipe it is an FID: $(cat out)"
"$program" score a foreign.npz --inception named.safetensors >out 2>err
grep -q 'foreign.npz: does not say how' err || fail "no warning of an unknown recipe"
grep -q '^  Frechet distance of the statistics ' out && ! grep -q '^  FID  ' out || fail "an unknown recipe is called FID"

echo "== eval: reconstructions and samples apart"
cat >tiny.yaml <<'YAML'
data: {kind: synthetic, size: 16, synthetic_count: 96}
model: {layers: 8x4s2p1 16x4s2p1 16x4s1p0}
train: {batch: 16, batches: 2, pictures: 4}
eval: {count: 16, fit_count: 64, components: 4}
YAML
"$program" train tiny.yaml --out run --quiet
"$program" eval run --inception named.safetensors >out 2>err
cat out
grep -q '^reconstructions of 16 held-out images, against these images$' out || fail "no heading of reconstructions"
grep -q '^  rFID  ' out || fail "no rFID"
grep -q '^16 samples (4 components a class, seed 0), against the 16 held-out images$' out || fail "no heading of samples"
grep -q '^  FID  ' out || fail "no FID of samples"
saved=run/scores-step-00000002.json
[ "$(key "$saved" reconstructions images)" = 16 ] && key "$saved" samples scores fid && key "$saved" inception resize ||
    fail "the recipe was not saved"
echo "== eval: broken images are left out and counted"
mkdir -p set/train set/test
cp -r a set/train/one
cp -r b set/train/two
cp -r set/train/. set/test
cut=$(find set/test/one -name '*.png' | sort | head -n 1)
head -c 60 "$cut" >cut.png
mv cut.png "$cut"
sed 's|^data: .*|data: {kind: folder, path: set/train, test_path: set/test, size: 16, channels: 3}|' tiny.yaml >set.yaml
"$program" train set.yaml --out set-run --quiet --set eval.count=1000
"$program" eval set-run --inception named.safetensors --set eval.count=1000 -o broken.json >out 2>err
cat out
grep -q '^  1 broken one left out$' out && [ "$(key broken.json reconstructions broken)" = 1 ] ||
    fail "the broken image is not counted"

echo "== other data or other counts do not pass for the run's own"
cp "$saved" before.json
"$program" eval run --inception named.safetensors --data a --set data.size=16 >out 2>err || true
cmp -s "$saved" before.json || fail "--data replaced the scores of the run"
"$program" eval run --inception named.safetensors --set data.synthetic_count=64 >out 2>err
grep -q 'not saved in run; -o FILE' err || fail "no warning that nothing is saved"
cmp -s "$saved" before.json || fail "--set of a data key replaced the scores of the run"
"$program" eval run --inception named.safetensors --set data.synthetic_count=64 -o other.json >out 2>err
[ "$(key other.json recipe data eval_count)" = 16 ] || fail "the recipe does not say eval.count"
echo passed

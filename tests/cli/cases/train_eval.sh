# --eval prints the figures that `csctrl eval` gives; --log-format json is lines of JSON.
tiny
expect 0 train tiny.yaml --out run --eval
silent
sed -n '/^figures of/,$p' out >figures
expect 0 eval run
same out figures
says '^  MS-SSIM +- \(images too small\)$'
[ "$(grep -c 'too small' out)" -eq 1 ] || fail 'more than MS-SSIM is called too small'
expect 0 train tiny.yaml --out run2 --eval --log-format json
silent
says '^\{"event":"step","step":1,"steps":6,'
says '^\{"event":"finished","run":"run2","picture":"run2/pictures/step-00000006.png","checkpoint":"run2/checkpoints/step-00000006"\}$'
says '^\{"event":"figures","run":"run2",'
grep -v '^{.*}$' out && fail 'a line is not a JSON object'
same run/checkpoints/step-00000006/model.safetensors run2/checkpoints/step-00000006/model.safetensors

# The recipe says on which images.
expect 0 eval run --json -o eval.json
says '"kind": "synthetic"'
says '"eval_count": 64'
expect 0 eval run --json --set eval.count=32
says '"eval_count": 32'
grep -q '"eval_count": 64' eval.json || fail 'the saved recipe does not say eval.count'

# A seed changes the result, and an environment variable fills in for an unset option only.
expect 0 train tiny.yaml --out run3 --quiet --set seed=1
cmp -s run/checkpoints/step-00000006/model.safetensors run3/checkpoints/step-00000006/model.safetensors &&
    fail 'another seed gives the same parameters'
CSCTRL_THREADS=2
export CSCTRL_THREADS
expect 0 train tiny.yaml --out run4 --quiet --set train.batches=1
grep -q '^threads: 1$' run4/config.yaml || fail 'CSCTRL_THREADS replaced the value of the config'
expect 0 train tiny.yaml --out run5 --quiet --set threads=0 --set train.batches=1
grep -q '^threads: 2$' run5/config.yaml || fail 'CSCTRL_THREADS was not used'

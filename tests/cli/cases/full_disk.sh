# Writes that fail end the run with one line and code 2; earlier checkpoints stay and can be used.
tiny
# Files may not grow over 8 blocks of 512 bytes: smaller than a checkpoint, larger than a config.
# Ignoring SIGXFSZ makes write() fail instead, as on a full disk.
(
    trap '' XFSZ
    ulimit -f 8
    "$program" train tiny.yaml --out small --quiet >out 2>err
)
found=$?
last='train under ulimit -f'
[ "$found" -eq 2 ] || fail "expected exit code 2, found $found"
[ "$(grep -c '^csctrl: ' err)" -eq 1 ] || fail 'expected one line on stderr'
[ -z "$(ls small/checkpoints 2>/dev/null | grep '^step-[0-9]*$')" ] ||
    fail 'an incomplete checkpoint is there'

expect 0 train tiny.yaml --out run --quiet
cp -r run before
image "$square_png" square.png
(
    trap '' XFSZ
    ulimit -f 8
    "$program" resume run --quiet --set train.batches=9 >out 2>err
)
found=$?
last='resume under ulimit -f'
[ "$found" -eq 2 ] || fail "expected exit code 2, found $found"
grep -q 'last good checkpoint: run/checkpoints/step-00000006' err || fail 'the last good checkpoint is not named'
same run/checkpoints/step-00000006/model.safetensors before/checkpoints/step-00000006/model.safetensors
expect 0 eval run
expect 0 resume run --quiet --set train.batches=9
exists run/checkpoints/step-00000009

# The real thing, where a small file system may be mounted.
mkdir disk
cat >mounted.sh <<'SH'
mount -t tmpfs -o size=96k none disk 2>/dev/null || exit 77
"$1" train tiny.yaml --out disk/run --quiet
SH
unshare -rm sh mounted.sh "$program" >out 2>err
found=$?
last='train on a full tmpfs'
[ "$found" -eq 77 ] || [ "$found" -eq 1 ] && grep -q unshare err && found=77
if [ "$found" -eq 77 ]; then
    echo 'note: no tmpfs may be mounted here'
else
    [ "$found" -eq 2 ] || fail "expected exit code 2, found $found"
    grep -q 'No space left' err || fail 'the reason is not named'
    [ "$(wc -l <err)" -eq 1 ] || fail 'expected one line on stderr'
fi

# Not enough memory: exit code 4, one line, and `info` had told how much it takes.
tiny
(ulimit -v 4000000 && "$program" info tiny.yaml >out 2>err) || skip 'the program does not run under ulimit -v'
(ulimit -v 4000000 && "$program" train tiny.yaml --out run --set train.batch=1000000 \
    --set data.synthetic_count=1100000 >out 2>err)
found=$?
last='train with a batch of a million'
[ "$found" -eq 4 ] || fail "expected exit code 4, found $found"
[ "$(wc -l <err)" -eq 1 ] || fail 'expected one line on stderr'
grep -E -q '^csctrl: .*(memory|GiB are free)' err || fail 'the reason is not named'
expect 0 info tiny.yaml --set train.batch=1000000
says '^  total +[0-9.]+ GiB'

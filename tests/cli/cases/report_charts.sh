# The report's curves: whole steps, cosines up to 1, a mark only where the run went on.
tiny
mark='stroke-dasharray="3 3"'
expect 0 train tiny.yaml --out one --quiet --set train.batches=2 --set train.log_every=2 --set train.checkpoint_every=1
expect 0 report one
page=one/report/report.html
grep -q 'metrics.jsonl, 1 logged step\.' $page || fail 'one logged step is counted wrongly'
grep -q "$mark" $page && fail 'a mark where the run did not go on'
grep -o '<svg class="chart".*</svg>' $page >charts
[ "$(wc -l <charts)" -eq 4 ] || fail 'expected 4 charts'
grep -o 'text-anchor="middle">[0-9.]*<' charts | tr -dc '0-9.\n' | sort -u | tr '\n' ' ' >ticks
[ "$(cat ticks)" = '1 2 3 ' ] || fail "expected the steps 1 2 3, found $(cat ticks)"
sed -n 2p charts | grep -o 'text-anchor="end">[0-9.]*<' | tr -dc '0-9.\n' | sort -n | tail -n 1 >top
[ "$(cat top)" = 1 ] || fail "expected cosines up to 1, found $(cat top)"
# Both players have one rate: the encoder's point shows around the decoder's.
sed -n 4p charts | grep -o ' r="[0-9.]*"' | tr -dc '0-9.\n' >radius
[ "$(wc -l <radius)" -eq 2 ] && [ "$(sort -nr radius)" = "$(cat radius)" ] && [ "$(sort -u radius | wc -l)" -eq 2 ] ||
    fail 'the upper point hides the lower one'

grep -q 'closing tanh then saturates' $page || fail 'rows of one layer alone are not explained'

# A checkpoint behind which the run went on.
expect 0 train tiny.yaml --out run --quiet --set train.checkpoint_every=3
expect 0 report run/checkpoints/step-00000003 -o early
[ "$(grep -c "$mark" early/report.html)" -eq 4 ] || fail 'expected a mark in each chart'
grep -q 'metrics.jsonl, 6 logged steps\.' early/report.html || fail 'logged steps are counted wrongly'
expect 0 report run
grep -q "$mark" run/report/report.html && fail 'a mark at the last step'
true

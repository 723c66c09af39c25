# csctrl report: what it writes, where, and what it says when it cannot.
tiny
expect 0 report --help
says '^usage: csctrl report '
complains 2 'expected' report
complains 2 'gone: ' report gone
missing gone/report

# Without its metrics, and without a place to be told.
expect 0 train tiny.yaml --out run --quiet
expect 0 report run
silent
says '^run/report/report\.html  with [0-9]+ pictures, also as files beside it$'
page=run/report/report.html
exists $page
tail -n 1 $page | grep -q '</html>$' || fail 'the page is not whole'
for id in figures regenerations training atoms codes alone similarity components samples interpolations cost; do
    grep -q "<section id=\"$id\">" $page || fail "no section $id"
done
[ "$(grep -c '<section' $page)" -eq "$(grep -c '</section>' $page)" ] || fail 'sections that do not end'
[ "$(ls run/report/*.png | wc -l)" -eq "$(grep -o 'data:image/png;base64,' $page | wc -l)" ] ||
    fail 'expected each picture in the page and as a file'
[ "$(grep -o 'with [0-9]*' out | cut -c6-)" -eq "$(ls run/report/*.png | wc -l)" ] || fail 'another number of pictures'
for name in regenerations-best regenerations-median regenerations-worst atoms-1 atoms-2 atoms-3 codes-1 codes-2 codes-3 \
    layers-alone similarity-z similarity-z-zhat similarity-zhat components-0 components-3 samples interpolations; do
    exists run/report/$name.png
done
# 8 atoms of 4 x 4 pixels at scale 14, with gaps of 2.
png_is run/report/atoms-1.png 462x56
grep -q '<svg class="chart"' $page || fail 'no curves'
grep -E -q '(src|href)="(https?:|//|file:|/)' $page && fail 'the page refers to something outside'
grep -q 'Trained with a pixel loss' $page && fail 'no pixel loss was used'

# The figures are those of eval.
expect 0 eval run
psnr=$(sed -n 's/^  PSNR  *\([0-9.]*\) dB$/\1/p' out)
[ -n "$psnr" ] || fail 'eval gave no PSNR'
grep -q "<td>PSNR</td><td>$psnr dB</td>" $page || fail "expected the PSNR of eval, $psnr, in the page"
sed -n 's/^  \([a-zA-Z].*[^ ]\)   *[-0-9.][0-9.]*\( .*\)*$/\1/p' out | grep -v '^zero codes' >labels
[ "$(wc -l <labels)" -eq 12 ] || fail 'expected 12 figures of eval'
while read -r label; do
    grep -q "<td>$label</td>" $page || fail "the page has no $label"
done <labels

# What is there is not replaced unasked; the same run gives the same page.
cp -r run/report before
complains 2 'run/report is not empty; choose another or add --force' report run
diff -r before run/report || fail 'the earlier report was changed'
expect 0 report run --force
diff -r before run/report || fail 'the same run gave another report'

# A report that fails takes back its pictures.
mkdir -p bad/layers-alone.png
complains 2 'layers-alone\.png' report run -o bad --force
[ "$(ls bad)" = layers-alone.png ] || fail "a report that failed left $(ls bad)"
rmdir bad/layers-alone.png
expect 0 report run -o bad
mkdir -p worse/report.html
complains 2 'cannot write worse/report\.html: ' report run -o worse --force
[ "$(ls worse)" = report.html ] || fail "a report that failed left $(ls worse)"
# A page that cannot be written leaves the earlier one.
cp -r run/report full
ln -s /dev/full full/report.html.new
complains 2 'cannot write full/report\.html: No space left' report run -o full --force
same run/report/report.html full/report.html
missing full/report.html.new

# A checkpoint needs a place, finds the run's metrics, and is named as it is.
missing run/checkpoints/report
complains 2 'add -o DIR' report run/checkpoints/latest
expect 0 report run/checkpoints/step-00000006 -o 'a & b/<c>'
silent
grep -q '<h1>run/checkpoints/step-00000006</h1>' 'a & b/<c>/report.html' || fail 'not named'
grep -q '<svg class="chart"' 'a & b/<c>/report.html' || fail 'the metrics were not found'
mv run 'r<b>&"'
expect 0 report 'r<b>&"' --force
grep -q '<h1>r&lt;b&gt;&amp;&quot;</h1>' 'r<b>&"/report/report.html' || fail 'the name was not escaped'
rm 'r<b>&"/metrics.jsonl'
expect 0 report 'r<b>&"' -o bare
grep -q 'There is no metrics.jsonl' bare/report.html || fail 'missing metrics are not named'

# Signed codes, colour, layers that end in a map, one class, the generic pair.
expect 0 train tiny.yaml --out other --quiet --set train.batches=1 --set 'model.nonneg=[true, false]' --set data.channels=3 \
    --set 'model.layers=8x4s2p1 6x3s1p1' --set data.synthetic_classes=1
expect 0 report other
silent
png_is other/report/codes-2.png 460x394
captions=$(grep -o 'Black is 0 and white\|They have a sign' other/report/report.html | tr '\n' ' ')
[ "$captions" = 'Black is 0 and white They have a sign ' ] || fail "colours of codes: found '$captions'"
expect 0 train tiny.yaml --out generic --quiet --set train.batches=1 --set model.arch=generic --set model.tied=false
expect 0 report generic
silent

echo x >file
complains 2 'file is a file' report generic -o file

# Names of classes are text, not HTML, and are cut between characters.
image "$square_png" square.png
image "$colour_jpg" colour.jpg
for n in 1 2 3 4 5 6; do
    mkdir -p 'set/a<b>&' "set/$(printf '\303\251\303\251\303\251\303\251\303\251\303\251\303\251x')"
    cp square.png "set/a<b>&/$n.png"
    cp colour.jpg "set/$(printf '\303\251\303\251\303\251\303\251\303\251\303\251\303\251x')/$n.jpg"
done
expect 0 train tiny.yaml --out named --quiet --set data.kind=folder --set data.path=set --set data.holdout=0.5 \
    --set train.batch=2 --set train.batches=1
expect 0 report named
grep -q '<h3>Class a&lt;b&gt;&amp;</h3>' named/report/report.html || fail 'the class was not escaped'
grep -q "$(printf '>\303\251\303\251\303\251\303\251\303\251</text>')" named/report/report.html ||
    fail 'the name of the class was not cut between characters'

# A run that had a pixel loss does not pass for the method.
expect 0 train tiny.yaml --out hybrid --quiet --set game.pixel_weight=0.5
expect 0 report hybrid
grep -q 'Trained with a pixel loss.*game.pixel_weight is 0.5' hybrid/report/report.html || fail 'a pixel loss is not told'
expect 0 eval hybrid
says '^trained with a pixel loss .game.pixel_weight 0.5.'

# Every study at a tiny size: as many rows as runs, figures that are those of csctrl eval, a picture;
# called again it trains nothing.
tiny
sed -i 's/synthetic_count: .*/synthetic_count: 1100/; s/eval_every: .*/eval_every: 0/' tiny.yaml
mkdir -p photos/a photos/b
for i in 1 2 3 4 5 6 7 8; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done

rows() { # of the first table, without head
    sed -n '/^|/p' "$1/table.md" | sed 1,2d
}
cell() { # DIR ROW COLUMN
    rows "$1" | sed -n "$2p" | awk -F ' *[|] *' -v c="$3" '{ print $(c + 1) }'
}
# figure RUN KEY: what eval says of a run; it must be in its study's table.json.
figure() {
    expect 0 eval "$1" --json
    grep "\"$2\":" out | tr -d ' ,'
}
in_table() {
    value=$(figure "$1/runs/$2" "$3")
    tr -d ' ,' <"$1/table.json" | grep -q -x -F "$value" || fail "$1/table.json has no $value of $2"
}
near() { # A B SHARE
    awk -v a="$1" -v b="$2" -v s="$3" 'BEGIN { exit !(a > (1 - s) * b && a < (1 + s) * b) }' ||
        fail "expected about $2, found $1"
}
# runs STUDY ROWS WIDTHxHEIGHT ARGUMENT...: the study in ./STUDY, twice.
runs() {
    name=$1
    count=$2
    picture=$3
    shift 3
    expect 0 study "$name" tiny.yaml --out "$name" --set train.batches=4 "$@"
    says '^run 1/[0-9]+ .* step (4/4|64/64) '
    silent
    lines=$(rows "$name" | wc -l)
    [ "$lines" -eq "$count" ] || fail "study $name: expected $count rows, found $lines"
    png_is "$name/picture.png" "$picture"
    grep -q -F '![' "$name/table.md" || fail "study $name: no picture in the table's page"
    grep -q "$PWD" "$name/table.md" "$name/table.json" && fail "study $name: a path of this machine"
    find "$name/runs" -type f -printf '%p %s %T@\n' | sort >before
    cp "$name/table.md" "$name/table.json" .
    rm "$name/table.md" "$name/picture.png"
    expect 0 study "$name" --out "$name"
    says '^run 1/[0-9]+ .* finished before$'
    says_not ' step '
    find "$name/runs" -type f -printf '%p %s %T@\n' | sort >after
    same before after
    same table.md "$name/table.md"
    same table.json "$name/table.json"
    png_is "$name/picture.png" "$picture"
}

# 12 images of 16 x 16, four times enlarged, 2 pixels apart.
runs tied 2 790x196
in_table tied tied psnr
in_table tied untied accuracy
[ "$(cell tied 1 3)" -lt "$(cell tied 2 3)" ] || fail 'own dictionaries: expected more parameters'

runs steps 4 790x328
for t in 1 2 4 8; do
    grep -q "^  steps: $t$" steps/runs/steps-$t/config.yaml || fail "steps-$t has other steps"
done
in_table steps steps-8 ssim

runs batch-size 4 790x328 --set train.batch=256 --set optim.warmup=2
for i in 1 2 3 4; do
    [ $(($(cell batch-size $i 4) * $(cell batch-size $i 5))) -eq 1024 ] ||
        fail "batch-size: row $i has another number of images"
done
grep -q '^  encoder_lr: 0.0005$' batch-size/runs/batch-64/config.yaml || fail 'lr of batch 64'
grep -q '^  warmup: 8$' batch-size/runs/batch-64/config.yaml || fail 'warm-up of batch 64'
in_table batch-size batch-1024 cosine
complains 2 'at least 1024 training images.*found 300' study batch-size tiny.yaml --out few \
    --set data.synthetic_count=300
missing few

# Held out is what the run's own seed holds out.
runs stability 5 640x360
in_table stability seed-1 accuracy
last_psnr=$(sed -n 's/.*"psnr": \([0-9.]*\).*/\1/p' stability/runs/seed-2/metrics.jsonl | tail -n 1)
near "$(cell stability 3 9)" "$last_psnr" 0.001
[ "$(cell stability 4 1)" = mean ] || fail 'stability: no mean'

runs baseline 5 790x394
near "$(cell baseline 2 3)" "$(cell baseline 1 3)" 0.1
[ "$(cell baseline 5 3)" -gt $((4 * $(cell baseline 1 3))) ] || fail "baseline: not CTRL's widths"
grep -q '^  layers: "*64x4s2p1 128x4s2p1 16x4s1p0"*$' baseline/runs/generic-wide/config.yaml ||
    fail "baseline: not CTRL's layers"
grep -q '^  arch: generic$' baseline/runs/generic-time/config.yaml || fail 'baseline: not generic'
[ "$(cell baseline 4 5)" -gt 1 ] || fail 'baseline: csc takes longer than one batch of the generic net'
in_table baseline generic-rates psnr

runs noise 4 790x856
near "$(cell noise 3 2)" 20 0.02
near "$(cell noise 4 2)" 13.98 0.02
[ "$(cell noise 1 13)" = 1 ] || fail 'noise: without noise lambda stays'
expect 0 eval noise/runs/model --json
near "$(cell noise 1 3)" "$(sed -n 's/.*"psnr": *\([0-9.]*\),/\1/p' out)" 0.01

runs unseen 2 790x262 --unseen photos/ --set eval.fit_count=100 --set data.holdout=0.5
[ "$(cell unseen 2 1)" = photos ] || fail 'unseen: expected the name of the folder'
in_table unseen model psnr
expect 0 eval unseen/runs/model --data photos --json
near "$(cell unseen 2 4)" "$(sed -n 's/.*"psnr": *\([0-9.]*\),/\1/p' out)" 0.001
# Without --unseen the synthetic set, also when called again.
expect 0 study unseen tiny.yaml --out made --set data.kind=auto --set data.path=photos \
    --set train.batch=4 --set train.batches=2 --set eval.components=2
for again in 1 2; do
    [ "$(cell made 1 1) $(cell made 2 1)" = 'photos synthetic' ] || fail "unseen: $(rows made)"
    [ "$(cell made 2 3)" -eq 64 ] || fail 'unseen: expected 64 synthetic images'
    expect 0 study unseen --out made --quiet
done
complains 2 "data are synthetic; give other data by --unseen" study unseen tiny.yaml --out bare
complains 2 'nothere' study unseen tiny.yaml --out bare --unseen nothere
missing bare
# What was refused is not kept: neither in a new folder nor in one of a study.
complains 2 'nothere' study unseen --out made --unseen nothere
expect 0 study unseen --out made --quiet
[ "$(cell made 2 1)" = synthetic ] || fail "unseen: $(rows made)"
complains 2 'nothere' study unseen made/runs/model --out later --unseen nothere
expect 0 study unseen made/runs/model --out later --quiet
[ "$(cell later 2 1)" = synthetic ] || fail "unseen: $(rows later)"
complains 2 '--unseen belongs to the study unseen' study tied tiny.yaml --out t --unseen photos

# A trained model in place of a config: nothing is trained.
expect 0 study noise noise/runs/model --out given --set eval.count=20
says_not ' step '
missing given/runs
grep -q '(4 batches), 20 held-out images' given/table.md || fail 'given: not 20 images'
[ "$(cell given 3 3)" != '' ] || fail 'given: no figures'
expect 0 study noise noise/runs/model --out given --set eval.count=64
[ "$(rows given)" = "$(rows noise)" ] || fail 'the same model gives other figures'
expect 0 study noise --out given --quiet
[ "$(rows given)" = "$(rows noise)" ] || fail 'called again, the same model gives other figures'
complains 2 'study tied: expected a CONFIG, found the directory noise/runs/model' \
    study tied noise/runs/model
complains 2 'given: the study is of the model noise/runs/model, found unseen/runs/model; choose another --out' \
    study noise unseen/runs/model --out given
[ "$(rows given)" = "$(rows noise)" ] || fail 'another model replaced the figures'
complains 2 'noise: the study trained a model of its own; choose another --out' \
    study noise unseen/runs/model --out noise

for pair in 'steps model.steps=3' 'tied model.tied=false' 'stability seed=7' 'baseline model.arch=csc'; do
    set -- $pair
    complains 2 "study $1: ${2%=*} is what its runs differ in; leave out --set ${2%=*}" \
        study "$1" tiny.yaml --out varied --set "$2"
    missing varied
done

# More forms of the progress.
expect 0 study tied --out tied --quiet
silent
[ ! -s out ] || fail 'study --quiet: unexpected output'
expect 0 study tied tiny.yaml --set train.batches=2 --out json --log-format json
says '"event":"step".*"run":"untied","run_number":2,"runs":2'
says '^\{"event":"finished","study":"tied","directory":"json"\}$'

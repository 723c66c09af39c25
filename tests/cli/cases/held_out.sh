# Of a set without a test split, seed and data.holdout say which images are held out. A saved model is
# judged on those that it was not trained on: other values are refused, where they would matter.
tiny
mkdir -p photos/a photos/b parted/train other
for i in 1 2 3 4 5 6 7 8 9 10; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
cp -r photos/a photos/b parted/train
cp -r photos parted/test
cp -r photos/a photos/b other
common='--quiet --set data.kind=folder --set data.holdout=0.4 --set train.batch=4 --set eval.components=2'
# shellcheck disable=SC2086
expect 0 train tiny.yaml --out run $common --set data.path=photos
# shellcheck disable=SC2086
expect 0 train tiny.yaml --out own $common --set data.path=parted

among='photos has no test split of its own, so that other images would be held out, images it was trained on among them; leave that setting as it was \(for fewer images: eval\.count\)$'
for target in run run/checkpoints/latest run/checkpoints/step-00000006; do
    complains 2 "^csctrl: $target was trained with seed=0, found seed=9: $among" eval $target --set seed=9
done
complains 2 "with data\.holdout=0\.4, found data\.holdout=0\.6: $among" eval run --set data.holdout=0.6
complains 2 'found data\.holdout=0\.2: .* other images would be held out; leave' \
    eval run --set data.holdout=0.2
complains 2 'with data\.limit=0, found data\.limit=5: .* other images would be held out; leave' \
    eval run --set data.limit=5
complains 2 "found seed=9: $among" report run -o report --set seed=9
complains 2 "found seed=9: $among" sample run -n 4 -o grid.png --set seed=9
complains 2 "found seed=9: $among" study noise run --out noise --set seed=9
complains 2 "found seed=9: $among" study unseen run --out unseen --set seed=9
missing report grid.png noise unseen

# The same value, or fewer images of those held out; the run's own data by another name.
expect 0 eval run --set seed=0 --set data.holdout=0.40 --set eval.count=3
complains 2 'found seed=9: ./photos/ has no test split' eval run --data ./photos/ --set seed=9
# Nothing of other data was trained on, nor of a test split.
expect 0 eval run --data other --set seed=9
for change in seed=9 data.holdout=0.6 data.limit=5; do
    expect 0 eval own --set $change
done
expect 0 report own -o report --set seed=9
expect 0 sample own -n 4 -o grid.png --set seed=9
expect 0 study noise own --out noise --quiet --set data.limit=5
silent
# What need no data do not ask.
expect 0 encode run photos/a/1.png -o codes.npy --set seed=9

# Trained on all of photos, with other images held out: photos is not divided afterwards.
# shellcheck disable=SC2086
expect 0 train tiny.yaml --out all $common --set data.path=photos --set data.test_path=other
complains 2 'all was trained with data\.test_path=other, found data\.test_path=: photos has no test' \
    eval all --data photos

# shellcheck disable=SC2086
expect 0 train tiny.yaml --out whole $common --set data.path=photos --set data.test_path=other \
    --set data.holdout=0
complains 2 'whole was trained with data\.test_path=other, found data\.test_path=: photos has no test' \
    eval whole --data photos --set data.holdout=0.4

# It is the checkpoint that counts: a resume that was killed at once has changed the run's config.
sed -i 's/^seed: 0$/seed: 9/' run/config.yaml
complains 2 "found seed=9: $among" eval run --set seed=9
expect 0 study noise run --out noise2 --quiet

# Images that cannot be decoded are left out of a study, each with a warning.
tiny
mkdir -p photos/a photos/b
for i in 01 02 03 04 05 06 07 08 09 10 11 12; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
for i in 01 04 05 08 09; do
    head -c 60 photos/a/$i.png >torn
    mv torn photos/a/$i.png
done
expect 0 study unseen tiny.yaml --out unseen --unseen photos --set train.batches=2 \
    --set data.holdout=0.5 --set eval.components=2 --set train.tensorboard=false
grep -q '^csctrl: warning: left out: .*photos/a/.*\.png' err || fail 'the broken images are not named'
[ -z "$(sort err | uniq -d)" ] || fail 'a broken image is named twice'
grep -q '^| photos | unseen | [1-9]' unseen/table.md || fail 'no row of the photos'
exists unseen/picture.png
# How a run was watched says nothing of its result.
grep -q 'tensorboard' unseen/table.md unseen/table.json && fail 'the table tells of train.tensorboard'

# A report whose held-out images are all of a class that no training image could be read of.
mkdir -p train/a train/b test/a test/b
for i in 1 2 3 4 5 6; do
    image "$square_png" train/a/$i.png
    image "$square_png" test/b/$i.png
    head -c 60 train/a/$i.png >train/b/$i.png
    head -c 60 train/a/$i.png >test/a/$i.png
done
expect 0 train tiny.yaml --out run --quiet --set data.kind=synthetic
expect 0 report run --data train --set data.test_path=test -o page
grep -q 'There is no image to show' page/report.html || fail 'the page does not say that it has no image'

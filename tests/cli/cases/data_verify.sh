# data verify names what is broken and exits with 1; data info describes; a broken file is skipped
# and counted in training.
mkdir -p photos/a photos/b
for i in 1 2 3 4 5 6 7 8; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
expect 0 data verify photos
silent
says '^16 images decode, 0 are broken$'
expect 0 data info photos
silent
says '^train$'
says '^test$'
says '^  kind +folder$'
says '^  classes +2: a b$'

head -c 100 photos/b/8.jpg >photos/b/cut.jpg
head -c 60 photos/a/8.png >photos/a/cut.png
echo text >photos/a/text.jpg
: >photos/b/empty.png
image "$cmyk_jpg" photos/a/cmyk.jpg
image "$huge_jpg" photos/a/huge.jpg
image "$sixteen_png" photos/a/sixteen.png
image "$one_jpg" photos/a/one.jpg
expect 1 data verify photos
for name in b/cut.jpg a/cut.png a/text.jpg b/empty.png a/cmyk.jpg a/huge.jpg; do
    says "^broken: .*$name: ."
done
says '^broken: .*cmyk.*CMYK'
says '^18 images decode, 6 are broken$'
expect 1 data verify photos --json
says '"bad": 6'
expect 0 data info photos --json
says '"kind": "folder"'
complains 2 'nowhere' data verify nowhere
complains 2 'nowhere' data info nowhere

tiny
expect 1 data verify tiny.yaml --set data.kind=folder --set data.path=photos
says '^18 images decode, 6 are broken$'
expect 0 data verify tiny.yaml
says ' 0 are broken$'
expect 0 train tiny.yaml --out run --set data.kind=folder --set data.path=photos \
    --set train.batch=4 --set train.batches=3
grep -q '^csctrl: warning: .*cut\.jpg' err || fail 'the broken file is not named'
grep -v '^csctrl: ' err && fail 'a line on stderr is not ours'
exists run/checkpoints/step-00000003

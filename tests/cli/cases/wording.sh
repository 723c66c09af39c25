# What is said in the singular, of a zero, of a directory or a data set that is not there, and once.
tiny
image "$square_png" one.png
expect 0 train tiny.yaml --out run --quiet --set train.batches=1 --set model.lambda=0.3
expect 0 encode run one.png -o one.npy
says '^one\.npy  1 code of 16 features$'
expect 0 encode run one.png one.png -o two.npy
says '^two\.npy  2 codes of 16 features$'
expect 0 decode run one.npy -o decoded
says '^decoded  1 image of 16 x 16$'
expect 0 sample run -o s.png --count 1
says '^s\.png  1 sample$'
mkdir -p alone/a
cp one.png alone/a
expect 0 score alone alone
says '^  A  alone: 1 image$'
expect 0 data verify alone
says '^1 image decodes, 0 are broken$'
head -c 60 one.png >alone/a/2.png
expect 1 data verify alone
says '^1 image decodes, 1 is broken$'

# R is the same with labels as without where there is one class: a difference of rounding.
for seed in 1 2 3 4; do
    expect 0 train tiny.yaml --out zero-$seed --quiet --set train.batches=1 --set model.lambda=0.3 --set seed=$seed
    expect 0 eval zero-$seed
    says_not '-0\.0* nats$'
    says '^  dR\(Z \| labels\) +0\.000 nats$'
done

mkdir -p images
cp one.png images
complains 2 '^csctrl: images is a directory: expected image files, such as images/\*\.png$' encode run images -o no.npy
complains 2 'such as images/\*\.png$' reconstruct run images/ -o no
missing no no.npy

complains 2 '^csctrl: gone does not exist; data\.path says where' data info tiny.yaml --set data.kind=auto --set data.path=gone
complains 2 '^csctrl: data/cifar10 does not exist; data\.path says where' data info cifar10
complains 2 '^csctrl: gone does not exist; data\.path says where' train tiny.yaml --out no --set data.kind=folder --set data.path=gone
mkdir -p set/a set/b
for i in 1 2 3 4; do
    cp one.png set/a/$i.png
    cp one.png set/b/$i.png
done
complains 2 '^csctrl: gone does not exist; data\.test_path says where' data info set --set data.test_path=gone
missing no

complains 2 'one value, or 1 value for a net of 2 layers \(.*\), found 3$' train tiny.yaml --out no \
    --set 'model.layers=8x4s2p1 8x8s1p0' --set 'game.decoder_layer_weight=[1, 2, 3]'
complains 2 'model\.nonneg: .*found an empty list$' info tiny.yaml --set 'model.nonneg=[]'
complains 2 'data\.channels: expected one of 1.3, found "2"$' info tiny.yaml --set data.channels=2

# The same warning is given once: of each layer that would keep its choice, of each broken image.
expect 0 info tiny.yaml --set tune=/nonexistent/dir/file
[ "$(grep -c 'choices are not kept' err)" -eq 1 ] || fail 'expected one warning about the file of choices'

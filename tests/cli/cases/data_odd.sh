# Folders without images, empty classes, damaged IDX and CIFAR files: one line each.
tiny
mkdir -p empty photos/a photos/b photos/void
complains 2 'empty' data info empty
for i in 1 2 3 4; do
    image "$square_png" photos/a/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
expect 2 data info photos
[ "$(wc -l <err)" -eq 1 ] || fail 'expected one line'
grep -q 'void' err || fail 'the empty class is not named'

# IDX: 2 images of 4 x 4, 2 labels.
mkdir idx
pixels='\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020'
idx_images() {
    printf '\000\000\010\003\000\000\000\002\000\000\000\004\000\000\000\004'
    printf "$pixels$pixels"
}
for split in train t10k; do
    idx_images >idx/$split-images-idx3-ubyte
    printf '\000\000\010\001\000\000\000\002\000\001' >idx/$split-labels-idx1-ubyte
done
expect 0 data info idx
says '^  kind +idx$'
expect 0 data verify idx
idx_images | head -c 40 >idx/train-images-idx3-ubyte
complains 2 'train-images' data info idx
{ idx_images; echo more; } >idx/train-images-idx3-ubyte
complains 2 'train-images' data info idx
{ printf '\000\000\010\003\177\377\377\377\177\377\377\377\177\377\377\377'; } >idx/train-images-idx3-ubyte
complains 2 'train-images' data info idx
{ printf '\000\000\015\003'; idx_images | tail -c +5; } >idx/train-images-idx3-ubyte
complains 2 'train-images' data info idx
idx_images >idx/train-images-idx3-ubyte
printf '\000\000\010\001\000\000\000\003\000\001\001' >idx/train-labels-idx1-ubyte
complains 2 'train' data info idx

# CIFAR-10 binary, cut in the middle of a record.
mkdir cifar
for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    head -c 6146 /dev/zero >cifar/$name.bin
done
expect 0 data info cifar --set data.channels=3
says '^  kind +cifar10$'
head -c 6000 /dev/zero >cifar/data_batch_3.bin
complains 2 'data_batch_3' data info cifar --set data.channels=3

# score and stats without Inception weights: pairs, names of what is missing, refusals.
mkdir a b c
for i in 1 2 3; do
    image "$square_png" a/$i.png
    image "$square_png" b/$i.png
done
expect 0 score a b
silent
says '^scores of A against B, the reference$'
says '^  A  a: 3 images$'
says '^  PSNR of pairs, dB +100\.00$'
says '^  SSIM of pairs +1\.0000$'
says '^  missing: FID, KID, Inception score, .*no weights given \(--inception FILE'
says_not '^  FID|MS-SSIM of pairs'
says '^  missing: MS-SSIM \(images in pairs\): images too small: 1\.png has a side of 16, less than 161$'
image "$sixteen_png" a/small.png
image "$sixteen_png" b/small.png
expect 0 score a b
says '^  PSNR of pairs, dB +100\.00$'
says '^  missing: SSIM, MS-SSIM \(images in pairs\): images too small: small\.png has a side of 8, less than 11$'
says_not '^  SSIM'
rm a/small.png b/small.png
expect 0 score a b --json -o scores.json
silent
says '"psnr": 100\.0'
says '"recipe": null'
same out scores.json
complains 2 'scores\.json.*(exists|there)' score a b -o scores.json
expect 0 score a b -o scores.json --force

# A JPEG of the same name and size is a pair too; an archive is what its folder is.
image "$grey_jpg" b/2.JPEG
rm b/2.png
expect 0 score a b
says '^  PSNR of pairs, dB +[0-9]+\.[0-9]{2}$'
says_not ' 100\.00$'
sed '/^  [AB] /d' out >folder
tar cf b.tar -C b .
tar czf b.tar.gz -C b .
for archive in b.tar b.tar.gz; do
    expect 0 score a $archive
    sed '/^  [AB] /d' out >archive
    same archive folder
done

# Nothing to compute, and why.
image "$square_png" c/1.png
complains 2 'nothing to compute: .*no weights given.*3 images against 1' score a c
image "$square_png" c/2.png
image "$square_png" c/4.png
complains 2 'names differ: 3\.png and 4\.png' score a c
mv c/4.png c/3.png
image "$one_jpg" c/3.jpg
rm c/3.png
complains 2 'sizes differ: 3\.png' score a c

complains 2 'none: no such folder or archive' score a none
mkdir empty
complains 2 'empty: expected image files' score a empty
complains 2 'no\.npz' score a no.npz
printf 'no zip' >bad.npz
complains 2 'bad\.npz: expected an \.npz file' score a bad.npz
complains 2 'score: \-\-resize is for the images that \-\-inception' score a b --resize pytorch
complains 2 '\-\-resize: expected clean or pytorch' score a b --inception x --resize lanczos
complains 2 'none\.safetensors' score a b --inception none.safetensors
printf 'no tensors at all' >bad.safetensors
complains 2 'bad\.safetensors' score a b --inception bad.safetensors
complains 2 'expected -o FILE\.npz' stats a
complains 2 'ends in \.npz' stats a -o a.txt --inception x
complains 2 'expected --inception FILE' stats a -o a.npz
missing a.npz

# Statistics alone: of two features, made by hand, by one recipe, another one, and a tool that does not say.
one_npz='UEsDBBQAAAAIAAAAIQBgQv5mRgAAAFgAAAAGAAAAbXUubnB5m+wX6hsQycjgxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1CkiAiwEKAFBLAwQUAAAACAAAACEAKy9FzU4AAABgAAAACQAAAHNpZ21hLm5weZvsF+obEMnI4MZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CkaaOgq1CnDAxcDQYM8ABw32AFBLAwQUAAAACAAAACEA5H64dVEAAABcAAAACgAAAHJlY2lwZS5ucHmb7BfqGxDJyODGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGRjqaOgq1CgjAVZRanFmVqpCck5qYBwBQSwECFAMUAAAACAAAACEAYEL+ZkYAAABYAAAABgAAAAAAAAAAAAAAgAEAAAAAbXUubnB5UEsBAhQDFAAAAAgAAAAhACsvRc1OAAAAYAAAAAkAAAAAAAAAAAAAAIABagAAAHNpZ21hLm5weVBLAQIUAxQAAAAIAAAAIQDkfrh1UQAAAFwAAAAKAAAAAAAAAAAAAACAAd8AAAByZWNpcGUubnB5UEsFBgAAAAADAAMAowAAAFgBAAAAAA=='
other_npz='UEsDBBQAAAAIAAAAIQCeyQp8TAAAAFgAAAAGAAAAbXUubnB5m+wX6hsQycjgxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1CkiAi4HBwYGBocEBAFBLAwQUAAAACAAAACEAKy9FzU4AAABgAAAACQAAAHNpZ21hLm5weZvsF+obEMnI4MZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CkaaOgq1CnDAxcDQYM8ABw32AFBLAwQUAAAACAAAACEAy03OJVMAAABeAAAACgAAAHJlY2lwZS5ucHmb7BfqGxDJyODGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGJjqaOgq1CgjAVZRanFmVqlBQWZJflJwBAFBLAQIUAxQAAAAIAAAAIQCeyQp8TAAAAFgAAAAGAAAAAAAAAAAAAACAAQAAAABtdS5ucHlQSwECFAMUAAAACAAAACEAKy9FzU4AAABgAAAACQAAAAAAAAAAAAAAgAFwAAAAc2lnbWEubnB5UEsBAhQDFAAAAAgAAAAhAMtNziVTAAAAXgAAAAoAAAAAAAAAAAAAAIAB5QAAAHJlY2lwZS5ucHlQSwUGAAAAAAMAAwCjAAAAYAEAAAAA'
plain_npz='UEsDBBQAAAAIAAAAIQCeyQp8TAAAAFgAAAAGAAAAbXUubnB5m+wX6hsQycjgxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1CkiAi4HBwYGBocEBAFBLAwQUAAAACAAAACEAKy9FzU4AAABgAAAACQAAAHNpZ21hLm5weZvsF+obEMnI4MZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CkaaOgq1CnDAxcDQYM8ABw32AFBLAQIUAxQAAAAIAAAAIQCeyQp8TAAAAFgAAAAGAAAAAAAAAAAAAACAAQAAAABtdS5ucHlQSwECFAMUAAAACAAAACEAKy9FzU4AAABgAAAACQAAAAAAAAAAAAAAgAFwAAAAc2lnbWEubnB5UEsFBgAAAAACAAIAawAAAOUAAAAAAA=='
image "$one_npz" one.npz
image "$other_npz" other.npz
image "$plain_npz" plain.npz
expect 0 score one.npz one.npz
silent
says '^  Frechet distance of the statistics +0\.0000$'

# A recipe that is not known agrees with any, with a warning; two that are known must be one.
for pair in 'one.npz plain.npz' 'plain.npz one.npz' 'plain.npz plain.npz'; do
    complains 0 'warning: plain\.npz: does not say how its features were made' score $pair
done
says '^  Frechet distance of the statistics +0\.0000$'
expect 0 score one.npz plain.npz
says '^  Frechet distance of the statistics +25\.0000$'
complains 2 'one\.npz: made by another recipe \(resize clean\) than other\.npz' score one.npz other.npz

# Without images no network runs: nothing would be an FID. Nor are these Inception's features.
complains 2 '\-\-inception: one\.npz and other\.npz are statistics' score one.npz other.npz --inception none
complains 2 'one\.npz: expected statistics of 2048 Inception features, found 2' score a one.npz --inception none
complains 2 'plain\.npz: expected statistics of 2048' score plain.npz a --inception none

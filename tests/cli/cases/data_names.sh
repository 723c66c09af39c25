# Names that no terminal or JSON reader takes are told with ? in their place.
raw=$(printf 'c\303\251\377\033[1m')
shown=$(printf 'c\303\251[?][?]\\[1m')
mkdir -p photos/"$raw" photos/b
for i in 1 2 3 4 5 6 7 8; do
    image "$square_png" photos/"$raw"/$i.png
    image "$grey_jpg" photos/b/$i.jpg
done
head -c 100 photos/b/1.jpg >photos/"$raw"/cut.jpg
expect 1 data verify photos
grep -a -q '^broken: photos/c.*?\[1m/cut[.]jpg: .' out || fail 'the broken file is not named'
grep -a -q "$(printf '\033')" out && fail 'an escape character came through'
expect 1 data verify photos --json
says '"bad": 1'
says "\"name\": \"photos/$shown/cut[.]jpg\""
expect 0 data info photos --json
says "\"$shown\""
says '"b"'

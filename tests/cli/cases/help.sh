# Help, version, and what happens without a verb.
expect 0 --help
says '^usage: csctrl VERB'
says '^  75  interrupted'
says 'CSCTRL_THREADS'
silent
verbs=$(sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' out)
[ "$(echo "$verbs" | wc -w)" -ge 12 ] || fail "expected twelve verbs or more in: $verbs"
for verb in $verbs; do
    expect 0 help "$verb"
    says "^usage: csctrl $verb"
    says '^  -h, --help '
    silent
    mv out by_help
    expect 0 "$verb" --help
    same out by_help
    awk 'length > 100 { exit 1 }' out || fail "help of $verb is wider than 100 columns"
done
for usage in 'sample RUN -n N -o FILE' 'reconstruct RUN IMAGE\.\.\. -o DIR' \
    'encode RUN IMAGE\.\.\. -o FILE' 'decode RUN FILE -o DIR'; do
    expect 0 help "${usage%% *}"
    says "^usage: csctrl $usage \[options\]$"
done
expect 0 train --help
says "objective.*decoder's move"
expect 0 eval --help
says 'its latest checkpoint; RUN/checkpoints/best'
expect 0 stats --help
says 'image files of a \.tar\.gz are kept in memory'
expect 0 score --help
says_not 'memory does not grow with the images'
expect 0 help
mv out by_help
expect 0 -h
same out by_help
expect 0 help help
expect 0 --version
says '^csctrl [0-9]+\.[0-9]+\.[0-9]+$'
expect 2
says '^usage: csctrl VERB'
complains 2 "unknown verb 'evl'; did you mean 'eval'" help evl

# Output that cannot be written is an error too.
if [ -w /dev/full ]; then
    "$program" options >/dev/full 2>err
    [ $? -eq 2 ] || fail 'options >/dev/full: expected exit code 2'
    grep -q '^csctrl: cannot write the standard output: No space left' err || fail 'no word of /dev/full'
fi

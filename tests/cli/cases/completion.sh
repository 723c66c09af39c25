# Completion scripts parse, and complete verbs, options, config keys and fixed words.
command -v bash >/dev/null || skip 'no bash'
expect 0 completion bash
silent
bash -n out || fail 'bash does not take the script'
cp out csctrl.bash
cat >try.sh <<'SH'
. ./csctrl.bash
compopt() { :; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_csctrl
echo "${COMPREPLY[*]}"
SH
completes() {
    wanted=$1
    shift
    found=$(bash try.sh "$@")
    [ "$found" = "$wanted" ] || fail "completing '$*': expected '$wanted', found '$found'"
}
completes 'train' csctrl t
completes 'eval encode' csctrl help e
completes '--quiet' csctrl train x.yaml --q
completes 'train.batch= train.batches=' csctrl train x.yaml --set train.batch
completes 'text json' csctrl train x.yaml --log-format ''
completes 'verify info' csctrl data ''
completes '' csctrl eval ''
for shell in zsh fish; do
    expect 0 completion $shell
    silent
    says 'reconstruct'
    says 'train\.batches='
    command -v $shell >/dev/null && { $shell -n out || fail "$shell does not take the script"; }
done

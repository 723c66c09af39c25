# The config reference, as text, Markdown and man page, has every key once.
expect 0 options
silent
says '^train\.batch: 256$'
keys=$(grep -c '^[a-z][a-z0-9_.]*: ' out)
[ "$keys" -ge 60 ] || fail "expected 60 keys or more, found $keys"
grep '^[a-z]' out | sort | uniq -d | grep . && fail 'a key comes twice'
expect 0 options --markdown
silent
says '^\| `optim\.encoder_lr` \| `0\.001` \| '
[ "$(grep -c '^| `' out)" -eq "$keys" ] || fail "the Markdown has not $keys rows"
expect 0 options --man
silent
says '^\.SH EXIT STATUS$'
says '^\.B train\.batch: 256$'
says '^\.SS csctrl reconstruct'
if command -v groff >/dev/null; then
    groff -man -Tascii -ww out >page 2>err || fail 'groff refuses the man page'
    silent
fi
# A key of the reference can be set, at its default.
tiny
expect 0 info tiny.yaml --set optim.beta1=0.5 --set objective.gamma='[1, 1, 1]'

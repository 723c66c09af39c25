# The report on versions and the machine.
expect 0 doctor
silent
says '^csctrl +[0-9]+\.[0-9]+\.[0-9]+'
[ "$(wc -l <out)" -ge 5 ] || fail 'expected five facts or more'
lines=$(wc -l <out)
expect 0 doctor --json
silent
says '^\{$'
[ "$(grep -c '^  "' out)" -eq "$lines" ] || fail 'JSON and text differ in the number of facts'
complains 2 "unexpected argument 'x'" doctor x

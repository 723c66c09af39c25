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
# The environment counts here too.
CSCTRL_THREADS=3
CSCTRL_ISA=portable
export CSCTRL_THREADS CSCTRL_ISA
expect 0 doctor
says '^threads +3 \(environment CSCTRL_THREADS=3\)$'
says '^isa +portable \(environment CSCTRL_ISA=portable\)$'
expect 0 doctor --json
says '"threads": "3 \(environment CSCTRL_THREADS=3\)"'
CSCTRL_ISA=mmx
complains 2 'CSCTRL_ISA.*avx2' doctor
unset CSCTRL_ISA
CSCTRL_THREADS=lots
complains 2 'CSCTRL_THREADS.*lots' doctor
unset CSCTRL_THREADS
complains 2 "unexpected argument 'x'" doctor x

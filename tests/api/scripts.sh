#!/usr/bin/env bash
# scripts.sh SOURCE_DIR - the checking scripts find what they are made to find.
# Exit status 77 (skipped) without python3.
set -euo pipefail
source=$1
command -v python3 >/dev/null || {
    echo "no python3: skipped"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{include/csctrl,src/base,src/data,src/model,tools,tests}

# expect SCRIPT FILE TEXT WORDS: with FILE holding TEXT, SCRIPT fails and says WORDS; without, it passes.
expect() {
    mkdir -p "$(dirname "$work/$2")"
    printf '%b' "$3" >"$work/$2"
    if said=$("$source/scripts/$1" "$work"); then
        echo "$1 accepted $2: $3"
        exit 1
    fi
    case $said in
    *"$2"*"$4"*) ;;
    *)
        echo "$1 on $2 should say '$4', but said: $said"
        exit 1
        ;;
    esac
    rm "$work/$2"
    "$source/scripts/$1" "$work" >/dev/null || {
        echo "$1 fails on a clean tree"
        exit 1
    }
}

echo '#include "csctrl/status.h"' >"$work/src/base/error.h"
echo 'typedef int csctrl_status;' >"$work/include/csctrl/status.h"
echo '/* exit(1) is not called */ const char *text = "printf(";' >"$work/src/data/loader.h"
echo '#include "csctrl/status.h"' >"$work/tools/main.c"

expect check_strata.py src/base/bad.c '#include "data/loader.h"\n' 'base may include nothing, not data'
expect check_strata.py src/data/bad.c '#include "../model/model.h"\n' 'is not a file of ours'
expect check_strata.py tools/cmd_bad.c '#include "../src/base/error.h"\n' 'tools uses include/csctrl only'
expect check_strata.py include/csctrl/bad.h '#include "../../src/base/error.h"\n' 'only public headers'
expect check_strata.py src/other/bad.c '#include "base/error.h"\n' 'not in the table'
expect check_strata.py src/model/error.h '\n' 'file name is taken'
expect check_strata.py src/data/bad.h '#include <base/error.h>\n' 'angle brackets'
expect check_banned.py src/base/bad.c 'void f(void)\n{\n    exit(1);\n}\n' 'never ends the process'
expect check_banned.py src/data/bad.c 'char *p = malloc(3);\n' 'base/mem.h'
expect check_banned.py src/data/bad.c 'free(p);\n' 'base/mem.h'
expect check_banned.py tools/bad.c 'int n = atoi(text);\n' 'cannot tell an error'
expect check_banned.py src/base/bad.c 'fprintf(stderr, "x");\n' 'never prints'
expect check_banned.py src/base/bad.c '#if CSCTRL_WITH_CPU\n#endif\n' 'backend.c alone'
expect check_banned.py src/base/bad.c '/* TODO */\n' 'finish it'
expect check_banned.py src/base/bad.c "$(yes ';' | head -n 601 | tr '\n' '~' | sed 's/~/\\n/g')" '601 lines'
expect check_banned.py src/base/bad.c "int long_one(void)\n{\n$(yes 'f' | head -n 80 | tr '\n' '~' | sed 's/~/;\\n/g')}\n" 'long_one has 82 lines'
echo "the checking scripts find what they should"

#!/usr/bin/env python3
"""Calls and habits that the project does not allow, and the size of files and functions.

  check_banned.py [ROOT]    prints one line a finding; exit status 1 for errors, 0 when there are
                            only notes (a file over 500 lines, a function over 50)
"""
import re
import sys
from pathlib import Path

SUFFIXES = {".c", ".h", ".inc", ".cpp", ".cu", ".cuh"}
FILE_SOFT, FILE_HARD, FUNCTION_SOFT, FUNCTION_HARD = 500, 600, 50, 80

SHIPPED = ("include/", "src/", "tools/", "examples/")
LIBRARY = ("src/",)

# (names, where it holds, files it does not hold in, why)
CALLS = [
    ("strcpy strcat sprintf vsprintf gets strtok alloca strncpy strncat", SHIPPED, (),
     "writes without a bound or cuts silently: use ct_strbuf or snprintf"),
    ("atoi atol atoll atof gets", SHIPPED, (), "cannot tell an error: use ct_parse_int or strtol"),
    ("system popen tmpnam mktemp rand srand random", SHIPPED, (), "unsafe, or depends on hidden state"),
    ("malloc calloc realloc free aligned_alloc posix_memalign strdup strndup asprintf vasprintf", LIBRARY,
     ("src/base/mem.c", "src/comm/nccl/nccl_module.c"), "allocations go through base/mem.h"),
    ("exit _exit quick_exit abort assert", LIBRARY, (), "the library never ends the process: return a status"),
    ("printf puts putchar vprintf perror", LIBRARY, (), "the library never prints: use ct_log or ct_fail"),
    ("getenv secure_getenv setenv putenv", LIBRARY, (), "the library never reads the environment"),
    ("signal sigaction setlocale", LIBRARY, (), "belongs to the program, not to a library"),
]
PATTERNS = [
    (re.compile(r"\bfprintf\s*\(\s*(stdout|stderr)\b|\bfputs\s*\([^;]*,\s*(stdout|stderr)\b"), LIBRARY, (),
     "the library never prints: use ct_log or ct_fail"),
    (re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\b[^\n]*\bCSCTRL_WITH_", re.M), SHIPPED, ("src/backend/backend.c",),
     "CSCTRL_WITH_ belongs in src/backend/backend.c alone"),
    (re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+GCC[ \t]+optimize|-ffast-math", re.M), SHIPPED, (), "no fast-math"),
]
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
CALLS = [(re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), where, but, why)
         for names, where, but, why in CALLS]
# free() of what another library gave is fine where the line says so: free(text); /* jansson's */
FOREIGN = re.compile(r"\bfree\([^;]*\);[ \t]*/\* \w+'s \*/")
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def code_only(text):
    """Comments and literals blanked, line breaks kept."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def functions(lines):
    """(name, first line, length) of function bodies, braces included: they start and end in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 8):start - 1])
            name = re.findall(r"(\w+)\s*\(", re.split(r"[;}]", head)[-1])
            if name and line.rstrip() == "}":
                yield name[0], start, number - start + 1
            start = None


def check_file(path, shown):
    text = path.read_text(encoding="utf-8")
    code, lines, errors, notes = code_only(FOREIGN.sub(";", text)), text.splitlines(), [], []
    for pattern, where, but, why in CALLS + PATTERNS:
        if shown.startswith(where) and shown not in but:
            for m in pattern.finditer(code):
                errors.append(f"{shown}:{line_of(code, m.start())}: {m.group().strip().rstrip('(').strip()}: {why}")
    for m in MARKS.finditer(text):
        errors.append(f"{shown}:{line_of(text, m.start())}: {m.group()}: finish it or open an issue")
    if len(lines) > FILE_SOFT:
        (errors if len(lines) > FILE_HARD else notes).append(f"{shown}: {len(lines)} lines, at most {FILE_SOFT}")
    for name, start, length in functions(code.splitlines()):
        if length > FUNCTION_SOFT:
            (errors if length > FUNCTION_HARD else notes).append(
                f"{shown}:{start}: {name} has {length} lines, at most {FUNCTION_SOFT}")
    return errors, notes


def main():
    root = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent).resolve()
    errors, notes, count = [], [], 0
    for folder in ("include", "src", "tools", "examples", "tests"):
        for path in sorted(p for p in (root / folder).rglob("*") if p.suffix in SUFFIXES):
            count += 1
            e, n = check_file(path, path.relative_to(root).as_posix())
            errors, notes = errors + e, notes + n
    for note in notes:
        print(f"note: {note}")
    for error in errors:
        print(error)
    print(f"banned: {count} files, {len(errors)} errors, {len(notes)} notes")
    return 1 if errors or not count else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The include graph is the architecture: every #include of src/, tools/, examples/ and include/ is
checked against the table below, and file names are unique.

  check_strata.py [ROOT]    prints one line a violation; exit status 1 when there is any
"""
import re
import sys
from pathlib import Path

# stratum: strata whose headers it may include, besides its own and the public ones (include/csctrl).
ALLOWED = {
    "base": "",
    "config": "base",
    "tensor": "base",
    "comm": "base tensor",
    "backend": "base tensor comm",
    "layers": "base tensor comm backend",
    "objective": "base tensor comm backend",
    "io": "base tensor",
    "data": "base config tensor io",
    "model": "base config tensor comm backend layers io",
    "train": "base config tensor comm backend layers objective io data model eval",
    "eval": "base config tensor comm backend layers objective io data model",
}
ALLOWED = {name: set(allowed.split()) for name, allowed in ALLOWED.items()}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = {".c", ".h", ".inc", ".cpp", ".cu", ".cuh"}


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES)


def includes(path):
    """(line number, quoted, target) of every #include."""
    text = path.read_text(encoding="utf-8")
    for m in INCLUDE.finditer(text):
        yield text.count("\n", 0, m.start()) + 1, m.group(1) == '"', m.group(2)


def resolve(path, target, roots):
    """File that a quoted include names: beside `path`, or under one of the include roots."""
    for base in (path.parent, *roots):
        if (base / target).is_file():
            return (base / target).resolve()
    return None


def stratum_of(path, root):
    """("src", "data"), ("public", ""), ("tools", "") or None for a file outside all of them."""
    for kind, folder in (("public", root / "include" / "csctrl"), ("tools", root / "tools"),
                         ("examples", root / "examples"), ("src", root / "src")):
        if folder in path.parents:
            return kind, path.relative_to(folder).parts[0] if kind == "src" else ""
    return None


def judge(here, there):
    """Why the edge here -> there is not allowed, or None."""
    if there == ("public", ""):
        return None
    if there is None:
        return "the included file is in no stratum"
    if here[0] == "public":
        return "a public header includes only public headers"
    if here[0] in ("tools", "examples"):
        return None if there == here else f"{here[0]} uses include/csctrl only"
    if there[0] != "src":
        return f"src does not include {there[0]}"
    if here[1] not in ALLOWED:
        return f"stratum {here[1]} is not in the table of check_strata.py"
    if there[1] == here[1] or there[1] in ALLOWED[here[1]]:
        return None
    return f"{here[1]} may include {', '.join(sorted(ALLOWED[here[1]])) or 'nothing'}, not {there[1]}"


def check(root):
    root = root.resolve()
    roots = (root / "src", root / "include")
    problems, names = [], {}
    files = [f for d in ("include", "src", "tools", "examples") for f in sources(root / d)]
    for path in files:
        here, shown = stratum_of(path, root), path.relative_to(root)
        if here[0] == "src":
            first = names.setdefault(path.name, shown)
            if first != shown:
                problems.append(f"{shown}: the file name is taken by {first}")
        for line, quoted, target in includes(path):
            found = resolve(path, target, roots)
            if not quoted:
                if here[0] == "examples":
                    pass  # as an installed client writes it; the compiler finds public headers only
                elif (root / "include" / target).is_file() or (root / "src" / target).is_file():
                    problems.append(f'{shown}:{line}: our own header <{target}> in angle brackets, use "{target}"')
                continue
            if found is None:
                problems.append(f'{shown}:{line}: "{target}" is not a file of ours; use <{target}>')
                continue
            why = judge(here, stratum_of(found, root))
            if why:
                problems.append(f'{shown}:{line}: "{target}": {why}')
    return len(files), problems


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    count, problems = check(root)
    for problem in problems:
        print(problem)
    print(f"strata: {count} files, {len(problems)} violations")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main())

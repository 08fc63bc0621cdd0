"""What the lint scripts share: the files of the tree, C without its comments, one way to report.

A lint is a generator check(root, *args) that yields one line for each problem. Run it as
    python3 tests/lint/NAME.py SOURCE_ROOT [ARG...]
and it prints the problems and exits with 1 if there are any, with 77 (a skip) if it raises Skip.
"""
import os
import pathlib
import re
import sys

SKIP = 77       # what meson takes for "skipped"
GENERATED = {"syscalls.h", "version-info.h"}        # headers that meson writes
NOT_OURS = {".git", "subprojects", "__pycache__"}


class Skip(Exception):
    """A tool that the lint stands on is not installed."""


def files(root, *suffixes):
    """Every file below root whose name ends so, build directories and caches left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in NOT_OURS and not f.startswith("build")
                            and f != ".pytest_cache")
        for name in sorted(names):
            if not suffixes or name.endswith(suffixes):
                yield pathlib.Path(folder, name)


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(path):
    """C source with comments and the inside of literals blanked; lines keep their numbers."""
    def blank(match):
        text = match.group()
        inside = re.sub(r"[^\n]", " ", text)
        return text[0] + inside[1:-1] + text[-1] if text[0] in "\"'" else inside
    return TOKEN.sub(blank, path.read_text(encoding="utf-8"))


def numbered(text):
    return enumerate(text.split("\n"), 1)


def main(check):
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    try:
        problems = list(check(root, *sys.argv[2:]))
    except Skip as why:
        print(f"skipped: {why}")
        sys.exit(SKIP)
    for problem in problems:
        print(str(problem).replace(f"{root}/", ""))
    sys.exit(1 if problems else 0)

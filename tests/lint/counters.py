"""The man page documents every counter of get_stats, in the words of the tables in the code.

    counters.py SOURCE_ROOT PROGRAM

PROGRAM prints what has to stand between the two marks in the man page.
"""
import difflib
import subprocess

import source

MAN = "man/gate4netns-api.7"
BEGIN, END = '.\\" counters: begin', '.\\" counters: end'


def check(root, program):
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    wanted = done.stdout.splitlines()
    lines = (root / MAN).read_text(encoding="utf-8").splitlines()
    if BEGIN not in lines or END not in lines:
        yield f"{root / MAN}: has no lines {BEGIN} and {END}"
        return
    found = lines[lines.index(BEGIN) + 1:lines.index(END)]
    for line in difflib.unified_diff(found, wanted, MAN, "the tables", lineterm="", n=1):
        yield line


if __name__ == "__main__":
    source.main(check)

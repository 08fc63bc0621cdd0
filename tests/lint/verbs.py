"""The man page of the API describes every verb of it, and every verb of ctl, and no other.

    verbs.py SOURCE_ROOT VERBS GATE4NETNS

VERBS prints the verbs of the API; `GATE4NETNS ctl` without one says which it has.
"""
import re
import subprocess

import source

MAN = "man/gate4netns-api.7"
SECTIONS = {"API": "REQUESTS", "ctl": "FROM THE SHELL"}


def section(lines, title):
    """The lines of one section."""
    begin = lines.index(f".Sh {title}") + 1
    rest = [i for i in range(begin, len(lines)) if lines[i].startswith(".Sh ")]
    return lines[begin:rest[0] if rest else len(lines)]


def described(lines):
    """Items that are a command: its words, and its operand without the options behind it."""
    for line in lines:
        match = re.fullmatch(r"\.It Cm (.*?)( Op .*)?", line)
        if match:
            yield match.group(1).replace(" Ar ", " ")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def check(root, api_verbs, program):
    lines = (root / MAN).read_text(encoding="utf-8").splitlines()
    there_are = {
        "API": run(api_verbs).splitlines(),
        "ctl": run(program, "ctl").strip().rpartition("one of: ")[2].split(", "),
    }
    for whose, title in SECTIONS.items():
        if f".Sh {title}" not in lines:
            yield f"{root / MAN}: has no section {title}"
            continue
        page = set(described(section(lines, title)))
        for verb in sorted(set(there_are[whose]) - page):
            yield f"{root / MAN}: does not describe \"{verb}\" of {whose}"
        for verb in sorted(page - set(there_are[whose])):
            yield f"{root / MAN}: describes \"{verb}\", which {whose} does not have"


if __name__ == "__main__":
    source.main(check)

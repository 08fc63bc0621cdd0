"""The commands that a manual page shows, as a shell takes them.

In a section a literal display (.Bd -literal) holds commands. A line that begins with "$ " begins one, which
goes on until the next such line; a display without any is one script.
"""
import re

BEGIN, END = ".Bd -literal", ".Ed"
PROMPT = "$ "
ESCAPES = {r"\e": "\\", r"\&": "", r"\(dq": '"', r"\(aq": "'", r"\-": "-"}


def unescape(line):
    """A text line as mdoc(7) prints it."""
    return re.sub(r"\\\(..|\\.", lambda found: ESCAPES[found.group()], line)


def section(page, heading):
    """The lines between this heading and the next one of its rank."""
    return page.split(f"\n.Sh {heading}\n", 1)[1].split("\n.Sh ", 1)[0].split("\n")


def displays(lines):
    """Each literal display, as a list of its lines."""
    inside = None
    for line in lines:
        if line.startswith(BEGIN):
            inside = []
        elif line == END:
            yield inside
            inside = None
        elif inside is not None:
            inside.append(unescape(line))


def commands(page, heading="EXAMPLES"):
    """Every command of the section, in its order."""
    found = []
    for display in displays(section(page, heading)):
        if not any(line.startswith(PROMPT) for line in display):
            found.append("\n".join(display))
            continue
        for line in display:
            if line.startswith(PROMPT):
                found.append(line.removeprefix(PROMPT))
            else:
                found[-1] += "\n" + line
    return found

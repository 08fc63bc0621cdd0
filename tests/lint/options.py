"""One table of options: --help, the man page and the three completions tell the same story.

    options.py SOURCE_ROOT BINARY

Completions load in their shells, and the man page is clean for mandoc.
"""
import re
import shutil
import subprocess
import tempfile

import source

MAN = "man/gate4netns.1"
COMMANDS = ["check"]
DEPRECATED = {"--no-host-loopback", "--create-sandbox"}     # accepted, documented, never offered
LOADS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-f", "-n"], "fish": ["fish", "--no-execute"]}
IN_SHELL = {        # how a completion spells options: (long, letter) pairs
    "bash": r"(?<![\w-])--([a-z][a-z0-9-]+)()",         # offers long names only
    "zsh": r"'\*?--([a-z][a-z0-9-]+)|'\*?-([a-zA-Z0-9])\[",
    "fish": r" -l ([a-z][a-z0-9-]+)| -s ([a-zA-Z0-9])\b",
}


def output(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{argv} returned {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def long_and_short(pattern, text):
    found = set()
    for long, short in re.findall(pattern, text):
        found.add(f"--{long}" if long else f"-{short}")
    return found


def from_help(binary, *command):
    lines = [line for line in output(binary, *command, "--help").split("\n") if re.match(r"\s*-", line)]
    heads = [re.split(r"\s{2,}|\t", line.strip())[0] for line in lines]
    return long_and_short(r"--([a-z][a-z0-9-]+)|(?<![\w-])-([a-zA-Z0-9])\b", "\n".join(heads))


def from_man(text):
    items = "\n".join(line for line in text.split("\n") if line.startswith(".It Fl"))
    items = re.sub(r"\bFl Fl ", "Fl -", items)
    return long_and_short(r"\bFl -([a-z][a-z0-9-]+)|\bFl ([a-zA-Z0-9])\b", items)


def differences(where, found, wanted, extra_ok=frozenset()):
    for name in sorted(wanted - found):
        yield f"{where}: {name} of --help is missing"
    for name in sorted(found - wanted - extra_ok):
        yield f"{where}: {name} is not in --help"


def completion(binary, shell, wanted):
    """Every command's options are in there."""
    text = output(binary, "completion", shell)
    where = f"completion {shell}"
    if shell == "bash":
        wanted = {name for name in wanted if name.startswith("--")}
    found = long_and_short(IN_SHELL[shell], text)
    yield from differences(where, found, wanted, found)
    if not shutil.which(shell):
        raise source.Skip(f"no {shell}")
    with tempfile.NamedTemporaryFile("w", suffix=f".{shell}") as script:
        script.write(text)
        script.flush()
        done = subprocess.run([*LOADS[shell], script.name], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        yield f"{where}: does not load: {done.stderr}"


def check(root, binary):
    wanted = from_help(binary)
    if len(wanted) < 10:
        yield f"--help shows only {sorted(wanted)}: can this script still read it?"
    man = root / MAN
    yield from differences(man, from_man(man.read_text(encoding="utf-8")), wanted, DEPRECATED)
    for shell in LOADS:
        every = wanted.union(*(from_help(binary, command) for command in COMMANDS))
        yield from completion(binary, shell, every)
    if not shutil.which("mandoc"):
        raise source.Skip("no mandoc")
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(man)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        yield f"mandoc: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    source.main(check)

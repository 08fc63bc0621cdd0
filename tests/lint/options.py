"""Two tables of options: --help, the man pages and the completions tell the same story.

    options.py SOURCE_ROOT BINARY

In gate4netns(1) a heading "Options of run, attach and tap" says whose options stand below it; one of
slirp4netns' dialect is there too. gate4netns.conf(5) has those of the commands that read a file.
Completions load in their shells, and the pages are clean for mandoc.
"""
import re
import shutil
import subprocess
import tempfile

import source

MAN = "man/gate4netns.1"
CONF = "man/gate4netns.conf.5"
HEADING = re.compile(r"^\.Ss Options of (.*)$", re.M)
COMPAT = "the slirp4netns dialect"      # the heading of that table
COMMANDS = ["run", "attach", "exec", "tap", "ctl", "check"]
CONFIGURED = ["run", "attach"]          # the commands whose options a file may have
DEPRECATED = {"--no-host-loopback", "--create-sandbox"}     # accepted, documented, never offered
NOT_KEYS = {"--help", "--version", "--config"}
LOADS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-f", "-n"], "fish": ["fish", "--no-execute"]}
IN_SHELL = {        # how a completion spells options: (long, letter) pairs
    "bash": r"(?<![\w-])--([a-z][a-z0-9-]+)()",         # offers long names only
    "zsh": r"'\*?--([a-z][a-z0-9-]+)|'\*?-([a-zA-Z0-9])\[",
    "fish": r"(?<!set) -l ([a-z][a-z0-9-]+)| -s ([a-zA-Z0-9])\b",
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


def long_names(options):
    return {name for name in options if name.startswith("--")}


def from_help(binary, *command):
    """The options of the slirp4netns dialect, or of a command; None: there is no such command."""
    text = output(binary, *command, "--help")
    if command and not text.startswith(f"Usage: gate4netns {command[0]} "):
        return None
    lines = [line for line in text.split("\n") if re.match(r"\s*-", line)]
    heads = [re.split(r"\s{2,}|\t", line.strip())[0] for line in lines]
    return long_and_short(r"--([a-z][a-z0-9-]+)|(?<![\w-])-([a-zA-Z0-9])\b", "\n".join(heads))


def from_items(text):
    items = "\n".join(line for line in text.split("\n") if line.startswith(".It Fl"))
    items = re.sub(r"\bFl Fl ", "Fl -", items)
    return long_and_short(r"\bFl -([a-z][a-z0-9-]+)|\bFl ([a-zA-Z0-9])\b", items)


def owners(words):
    """The commands that a heading names, or the name of the other table."""
    return COMMANDS if words == "all commands" else [words] if words == COMPAT \
        else re.split(r", | and ", words)


def from_man(text):
    """The options that the page has under its headings, for each owner."""
    found = {}
    for heading in HEADING.finditer(text):
        items = re.split(r"^\.S[hs] ", text[heading.end():], maxsplit=1, flags=re.M)[0]
        for owner in owners(heading.group(1)):
            found.setdefault(owner, set()).update(from_items(items))
    return found


def from_conf(text):
    """The keys of the configuration file, as options."""
    keys = text.split(".Sh KEYS")[1].split("\n.Sh ")[0]
    return {f"--{key}" for key in re.findall(r"^\.It Cm ([a-z0-9-]+)$", keys, re.M)}


def differences(where, found, wanted, extra_ok=frozenset()):
    for name in sorted(wanted - found):
        yield f"{where}: {name} of --help is missing"
    for name in sorted(found - wanted - extra_ok):
        yield f"{where}: {name} is not in --help"


def pages(root, compat, own):
    man = root / MAN
    found = from_man(man.read_text(encoding="utf-8"))
    yield from differences(f"{man}: {COMPAT}", found.pop(COMPAT, set()), compat, DEPRECATED)
    for command, wanted in own.items():
        yield from differences(f"{man}: {command}", found.pop(command, set()), wanted)
    for command in found:
        yield f"{man}: options of {command}, which is no command"
    conf = root / CONF
    keys = set().union(*(long_names(own[command]) for command in CONFIGURED)) - NOT_KEYS
    yield from differences(conf, from_conf(conf.read_text(encoding="utf-8")), keys)


def completion(binary, shell, wanted):
    text = output(binary, "completion", shell)
    where = f"completion {shell}"
    if shell == "bash":
        wanted = long_names(wanted)
    yield from differences(where, long_and_short(IN_SHELL[shell], text), wanted)
    if not shutil.which(shell):
        raise source.Skip(f"no {shell}")
    with tempfile.NamedTemporaryFile("w", suffix=f".{shell}") as script:
        script.write(text)
        script.flush()
        done = subprocess.run([*LOADS[shell], script.name], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        yield f"{where}: does not load: {done.stderr}"


def check(root, binary):
    compat = from_help(binary)
    if len(compat) < 10:
        yield f"--help shows only {sorted(compat)}: can this script still read it?"
    own = {command: from_help(binary, command) for command in COMMANDS}
    missing = [command for command, options in own.items() if options is None]
    if missing:
        yield f"no commands: {', '.join(missing)}"
        return
    yield from pages(root, compat, own)
    for shell in LOADS:
        yield from completion(binary, shell, compat.union(*own.values()))
    if not shutil.which("mandoc"):
        raise source.Skip("no mandoc")
    for page in sorted((root / "man").glob("*.[1-9]")):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(page)], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            yield f"mandoc: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    source.main(check)

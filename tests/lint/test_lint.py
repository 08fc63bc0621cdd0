"""Each lint finds what it is there for: one small bad tree for each rule, and one good tree."""
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
HEADER = "/* base/a.h - nothing. */\n#ifndef BASE_A_H\n#define BASE_A_H\nint a;\n#endif /* BASE_A_H */\n"
GOOD = {
    "src/base/a.h": HEADER,
    "src/net/slirp.c": '#include <slirp/libslirp.h>\n#include "base/a.h"\n',
    "src/main.c": '#include "base/a.h"\n\nint main(void)\n{\n\treturn 0; /* atoi( */\n}\n',
    "src/README.md": "`base/a.[ch]`, `net/slirp.c` and `main.c`\n",
    "tests/test_x.py": "wait_until(ready)\n",
    "dev": "#!/bin/sh\n",
}
BAD = [     # lint, file, what is in it, what the lint says about it
    ("layering", "src/base/b.c", '#include "net/x.h"\n', "not a header under src/"),
    ("layering", "src/wire/b.c", '#include <slirp/libslirp.h>\n', "belongs to net/slirp.c"),
    ("layering", "src/os/b.c", '#include "net/n.h"\n', "includes point down"),
    ("layering", "src/os/b.c", '#include <net/n.h>\n', "is ours"),
    ("layering", "src/extra/b.c", '#include "base/a.h"\n', "has no floor"),
    ("banned", "src/os/b.c", "int x = atoi(s);\n", "atoi() is banned"),
    ("banned", "src/os/b.c", "pid = fork();\n", "fork() is banned"),
    ("banned", "src/os/b.c", "exit(1);\n", "exit() is banned"),
    ("banned", "src/os/b.c", "/* TODO: soon */\n", "TODO(#issue)"),
    ("sizes", "src/os/b.c", "void f(void)\n{\n" + "\tg();\n" * 79 + "}\n", "void f(void) has 81 lines"),
    ("sizes", "src/os/b.c", "int x;\n" * 701, "701 lines"),
    ("sizes", "src/main.c", "int x;\n" * 61, "61 lines"),
    ("no_sleep", "tests/test_y.py", "time.sleep(1)\n", "sleeps"),
    ("no_sleep", "tests/test_y.py", 'run("sh", "-c", "true; sleep 1")\n', "sleeps"),
    ("no_sleep", "tests/test_y.py", 'spawn("sleep", "60")\n', "sleeps"),
    ("words", "README.md", "see /home/me/x\n", "a path of one machine"),
    ("code_map", "src/os/b.c", "int x;\n", "does not mention os/b.c"),
    ("code_map", "src/README.md", "`base/a.h`, `net/slirp.c`, `main.c`, `os/gone.c`\n",
     "os/gone.c does not exist"),
    ("format", "src/os/b.c", "int x ;\n", "not as clang-format leaves it"),
    ("format", "src/os/b.c", "int x; \n", "blanks at the end"),
    ("format", "src/os/b.c", "int x;", "no newline at the end"),
]


def lint(name, root):
    return subprocess.run([sys.executable, HERE / f"{name}.py", root], capture_output=True, text=True,
                          check=False)


@pytest.fixture
def tree(tmp_path):
    for name, text in GOOD.items():
        put(tmp_path, name, text)
    put(tmp_path, "src/net/n.h", HEADER.replace("BASE_A", "NET_N"))
    put(tmp_path, "src/README.md", GOOD["src/README.md"] + "`net/n.h`\n")
    shutil.copy(HERE.parents[1] / ".clang-format", tmp_path)
    return tmp_path


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", sorted({bad[0] for bad in BAD}))
def test_a_good_tree_passes(tree, name):
    done = lint(name, tree)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name, path, text, says", BAD)
def test_a_bad_tree_is_found(tree, name, path, text, says):
    put(tree, path, text)
    done = lint(name, tree)
    assert done.returncode == 1 and says in done.stdout, done.stdout + done.stderr


def test_a_header_must_stand_alone(tree, tmp_path):
    build = tmp_path / "build"
    put(build, "compile_commands.json",
        f'[{{"directory": "{tree}", "file": "src/net/slirp.c", "command":'
        f' "cc -Isrc -c src/net/slirp.c -o x.o"}}]')
    put(tree, "src/os/b.h", "int f(size_t n);\n")
    done = subprocess.run([sys.executable, HERE / "headers.py", tree, build], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    for says in ("opens without a comment", "guard is not OS_B_H", "does not compile alone"):
        assert "src/os/b.h" in done.stdout and says in done.stdout, done.stdout
    assert "src/base/a.h" not in done.stdout


COUNTERS = ".It Va link.drops\nFrames dropped.\n"


@pytest.mark.parametrize("man, says", [
    (f'.\\" counters: begin\n{COUNTERS}.\\" counters: end\n', ""),
    ('.\\" counters: begin\n.Va x\n.\\" counters: end\n', "+.It Va link.drops"),
    (COUNTERS, "has no lines"),
])
def test_counters_are_in_the_man_page(tree, man, says):
    put(tree, "man/gate4netns-api.7", f".Sh COUNTERS\n{man}")
    put(tree, "counters", f"#!/bin/sh\ncat <<'END'\n{COUNTERS}END\n")
    (tree / "counters").chmod(0o755)
    done = subprocess.run([sys.executable, HERE / "counters.py", tree, tree / "counters"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == (1 if says else 0), done.stdout + done.stderr
    assert says in done.stdout


API_PAGE = ".Sh REQUESTS\n{}\n.Sh FROM THE SHELL\n.It Cm flows kill Ar ID Op Fl -x\n.Sh SEE ALSO\n"


@pytest.mark.parametrize("items, says", [
    (".It Cm add_x\n.It Cm list_x", ""),
    (".It Cm add_x", 'does not describe "list_x" of API'),
    (".It Cm add_x\n.It Cm list_x\n.It Cm drop_x", 'describes "drop_x", which API does not have'),
])
def test_verbs_are_in_the_man_page(tree, items, says):
    put(tree, "man/gate4netns-api.7", API_PAGE.format(items))
    for name, text in ("verbs", "add_x\nlist_x"), ("gate4netns", "VERB is one of: flows kill ID"):
        put(tree, name, f"#!/bin/sh\necho '{text}'\n")
        (tree / name).chmod(0o755)
    done = subprocess.run([sys.executable, HERE / "verbs.py", tree, tree / "verbs",
                           tree / "gate4netns"], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if says else 0), done.stdout + done.stderr
    assert says in done.stdout


OPTIONS = ["exit-fd", "ready-fd", "mtu", "cidr", "enable-ipv6", "api-socket", "netns-type",
           "disable-dns", "macaddress", "target-type"]


PAGE = ".Dd January 1, 2026\n.Dt {name} {section}\n.Os\n.Sh NAME\n.Nm gate4netns\n.Nd a gate\n"
HELP = """#!/bin/sh
case $2 in
--help) echo "Usage: gate4netns $1 [OPTION]..."; echo "--help  shows this" ;;
*) cat "$0.${2-help}" ;;
esac
"""


def program(root, man=OPTIONS, bash=OPTIONS, fish=OPTIONS):
    """A binary and its pages, whose options have the letters a, b, c...; all that commands have is --help."""
    def each(form, names=OPTIONS):
        return "".join(form.format(letter="abcdefghij"[OPTIONS.index(n)], name=n) for n in names)
    put(root, "gate4netns", HELP)
    put(root, "gate4netns.help", each("-{letter}, --{name}=X  what it does\n"))
    put(root, "gate4netns.bash", f"complete -W '{each('--{name}= ', bash)} --help' gate4netns\n")
    put(root, "gate4netns.zsh", "#compdef gate4netns\n_arguments \\\n'--help[x]' "
        + each("\\\n'--{name}=[x]:x:' '-{letter}[x]:x:' "))
    put(root, "gate4netns.fish", "complete -c gate4netns -l help\n"
        + each("complete -c gate4netns -l {name} -s {letter} -x\n", fish))
    (root / "gate4netns").chmod(0o755)
    put(root, "man/gate4netns.1", PAGE.format(name="GATE4NETNS", section=1)
        + ".Sh OPTIONS\n.Ss Options of the slirp4netns dialect\n.Bl -tag -width indent\n"
        + each(".It Fl {letter} Ar X , Fl -{name} Ns = Ns Ar X\nWhat it does.\n", man)
        + ".El\n.Ss Options of all commands\n.Bl -tag -width indent\n.It Fl -help\nHelp.\n.El\n")
    put(root, "man/gate4netns.conf.5", PAGE.format(name="GATE4NETNS.CONF", section=5) + ".Sh KEYS\nNone.\n")


@pytest.mark.parametrize("missing, says", [
    ({}, ""),
    ({"man": OPTIONS[1:]}, "--exit-fd of --help is missing"),
    ({"bash": OPTIONS[1:]}, "completion bash: --exit-fd of --help is missing"),
    ({"fish": OPTIONS[1:]}, "completion fish: -a of --help is missing"),
])
def test_options_tell_one_story(tree, missing, says):
    program(tree, **missing)
    done = subprocess.run([sys.executable, HERE / "options.py", tree, tree / "gate4netns"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == (1 if missing else 0), done.stdout + done.stderr
    assert says in done.stdout

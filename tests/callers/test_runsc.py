"""gVisor's runsc, as an ordinary user's sandbox: in the network of run, and in one that attach made.

gVisor has no network of its own here (--network=host): its sockets are those of the namespace that it was
started in. So what its programs send comes out of tap0.
"""
import pathlib
import shutil
import subprocess

import callers as c
import pytest
import runs
import whoami
import world as w

pytestmark = pytest.mark.skipif(shutil.which("runsc") is None, reason="runsc is not installed")

ATTACH_LAUNCHER = pathlib.Path(__file__).with_name("attach_launcher.py")
BWRAP_LAUNCHER = pathlib.Path(__file__).with_name("bwrap_launcher.py")
# Whose kernel is it, and does the network work? Only behind tap0 is there a name server at DNS4.
QUESTIONS = (f'set -e; dmesg | grep -o gVisor; "$@" ask tcp {w.INET4} {c.PORT};'
             f' "$@" ask udp {w.INET4} {c.PORT}; "$@" ask tcp {w.INET6} {c.PORT};'
             f' "$@" resolve peer.example {w.DNS4}')
ANSWERS = ["gVisor", w.HOST4, w.HOST4, w.HOST6, whoami.ANSWER]


def runsc(space, *command):
    """`runsc do COMMAND`; its state stays below the world's folder."""
    return ["runsc", f"--root={space.runtime}/runsc", "--rootless", "--network=host",
            "--platform=ptrace", "do", *command]


def questions(space):
    return runsc(space, "sh", "-c", f"{QUESTIONS}; exit 7", "sh", *c.whoami(space.world))


def assert_answered(space, done):
    assert done.stdout.split() == ANSWERS, done.stderr
    assert done.returncode == 7
    w.wait_until(lambda: not space.pids(), "the end of every process")


@pytest.mark.parametrize("options", [(), ("--map=root",)], ids=["keep", "root"])
def test_inside_run(space, options):
    argv = runs.command(*questions(space), options=options)
    assert_answered(space, space.run(*space.caller(*argv), check=False))


def test_inside_a_sandbox_that_has_a_lone_interface(space):
    """bubblewrap, then runsc: attach is told bubblewrap's child, and gVisor starts after that. As root of
    a user namespace runsc needs the capabilities of that, which bubblewrap takes from it by default.
    """
    c.script(space.world, BWRAP_LAUNCHER)
    argv = [*c.script(space.world, ATTACH_LAUNCHER), w.binary(), "--unshare-user", "--unshare-net",
            "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--dev-bind", "/", "/", "--",
            *questions(space)]
    assert_answered(space, space.run(*space.caller(*argv), check=False))


ONE_CLIENT = """
import socket
with socket.create_server(("0.0.0.0", 8000)) as server:
    print("serving", flush=True)
    server.accept()[0].sendall(b"from gVisor\\n")
"""


def test_published_port_of_a_server_in_gvisor(space):
    argv = runs.command(*runsc(space, c.PYTHON, "-c", ONE_CLIENT), options=["--publish=8100:8000"])
    with space.popen(*space.caller(*argv), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "serving\n"
        assert c.ask(space.world, space.world.inet, "tcp", w.HOST4, 8100) == "from gVisor"
    assert server.returncode == 0
    w.wait_until(lambda: not space.pids(), "the end of every process")

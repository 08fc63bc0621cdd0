"""bubblewrap and our own dialect: a sandbox whose network comes from attach, and one inside run."""
import pathlib
import subprocess

import callers as c
import pytest
import runs
import whoami
import world as w

LAUNCHER = pathlib.Path(__file__).with_name("attach_launcher.py")
HELPERS = [pathlib.Path(__file__).with_name("bwrap_launcher.py")]
SANDBOX = ["--unshare-user", "--unshare-net", "--unshare-pid", "--dev-bind", "/", "/"]
# bubblewrap makes a second user namespace for these, which does not own the network namespace
OTHER_IDS = ["--uid", "1000", "--gid", "1000"]
QUESTIONS = (f'set -e; "$@" ask tcp {w.INET4} {c.PORT}; "$@" ask udp {w.INET4} {c.PORT};'
             f' "$@" ask tcp {w.INET6} {c.PORT}; "$@" resolve peer.example')
ANSWERS = [w.HOST4, w.HOST4, w.HOST6, whoami.ANSWER]


def attached(space, *command, options=(), **kw):
    """The end of a command in bubblewrap whose network attach has made."""
    for helper in HELPERS:
        c.script(space.world, helper)
    resolv_conf = space.world.tmp / "resolv.sandbox"
    resolv_conf.write_text(f"nameserver {w.DNS4}\n")
    argv = [*c.script(space.world, LAUNCHER), w.binary(), *SANDBOX, *options, "--ro-bind",
            resolv_conf, "/etc/resolv.conf", "--", *command]
    done = space.run(*space.caller(*argv), check=False, **kw)
    w.wait_until(lambda: not space.pids(), "the end of every process")
    return done


@pytest.mark.parametrize("ids", [["--uid", "0", "--gid", "0"], OTHER_IDS], ids=["root", "other"])
def test_attach_by_the_pid_of_the_info(space, ids):
    done = attached(space, "sh", "-c", f"{QUESTIONS}; exit 7", "sh", *c.whoami(space.world),
                    options=ids)
    assert done.stdout.split() == ANSWERS, done.stderr
    assert (done.returncode, done.stderr) == (7, "")


def test_sandbox_has_a_lone_interface(space):
    """Its packets come out of the launcher's network namespace: the server sees that one's address."""
    script = 'ip -o link; "$@"'
    done = attached(space, "sh", "-c", script, "sh", *c.whoami(space.world), "ask", "tcp", w.INET4,
                    c.PORT)
    *links, seen = done.stdout.splitlines()
    assert [line.split(": ")[1] for line in links] == ["lo", "tap0"]
    assert seen == w.HOST4
    assert done.returncode == 0, done.stderr


def test_nothing_of_ours_is_in_the_sandbox(space):
    """Neither as a process of its pid namespace nor as anything else that it could enter."""
    done = attached(space, "sh", "-c", "readlink /proc/[0-9]*/exe", options=["--proc", "/proc"])
    assert done.stdout and w.binary() not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_sandbox_that_dies_takes_the_network_along(space):
    done = attached(space, "sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9


@pytest.mark.parametrize("options", [[], ["--map=root"]])
@pytest.mark.parametrize("sandbox", [["--unshare-user"], ["--unshare-user", *OTHER_IDS],
                                     ["--unshare-all", "--share-net"]])
def test_sandbox_inside_run(space, options, sandbox):
    """The network is there already; the sandbox does not unshare it, and finds our resolv.conf."""
    argv = runs.command("bwrap", *sandbox, "--dev-bind", "/", "/", "sh", "-c",
                        f"{QUESTIONS}; exit 7", "sh", *c.whoami(space.world), options=options)
    done = space.run(*space.caller(*argv), check=False)
    assert done.stdout.split() == ANSWERS, done.stderr
    assert (done.returncode, done.stderr) == (7, "")
    w.wait_until(lambda: not space.pids(), "the end of every process")


def test_sandbox_inside_run_may_have_no_network(space):
    argv = runs.command("bwrap", *SANDBOX, *c.whoami(space.world), "ask", "tcp", w.INET4, c.PORT)
    done = space.run(*space.caller(*argv), check=False)
    assert done.returncode == 1 and "unreachable" in done.stderr


@pytest.mark.parametrize("sandbox", [["--unshare-user"],
                                     ["--unshare-all", "--share-net", "--proc", "/proc"]])
def test_run_inside_a_sandbox(space, sandbox):
    argv = ["bwrap", "--dev-bind", "/", "/", *sandbox,
            *runs.command(*c.whoami(space.world), "ask", "tcp", w.INET4, c.PORT)]
    done = space.run(*space.caller(*argv), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{w.HOST4}\n", "")
    w.wait_until(lambda: not space.pids(), "the end of every process")

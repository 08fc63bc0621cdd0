"""./dev run -- CMD: a namespace with network for one command, whose status it returns.

Nothing is left behind, whatever happened.
"""
import contextlib
import os
import pathlib

import pytest
import world as w

DEV = pathlib.Path(__file__).resolve().parents[2] / "dev"


def dev_run(world, *argv, program=None, directory="/", **kw):
    """./dev run in the host namespace of the world, as its caller; checks that nothing is left."""
    env = dict(os.environ, GATE4NETNS=program or w.binary(), TMPDIR=str(world.tmp))
    before = processes_in(world), set(os.listdir(world.tmp))
    done = world.host.run("env", "-C", directory, *world.as_user(), DEV, "run", "--", *argv,
                          env=env, check=False, **kw)
    assert (processes_in(world), set(os.listdir(world.tmp))) == before
    return done


def processes_in(world):
    """Who lives in the host network namespace, which belongs to this test."""
    ours = os.stat(f"/proc/{world.host.pid}/ns/net").st_ino
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):      # it may end just now
            if os.stat(f"/proc/{entry}/ns/net").st_ino == ours:
                found.add(int(entry))
    return found


def test_the_command_has_network(world):
    done = dev_run(world, "sh", "-c", "ip -br address show tap0; ping -c 1 -W 5 10.0.2.2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10.0.2.100/24" in done.stdout and " 0% packet loss" in done.stdout


def test_its_resolver_is_the_gate(world):
    assert dev_run(world, "cat", "/etc/resolv.conf").stdout == "nameserver 10.0.2.3\n"


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_its_status_is_ours(world, script, status):
    assert dev_run(world, "sh", "-c", script).returncode == status


def test_streams_arguments_and_directory_are_the_callers(world):
    done = dev_run(world, "sh", "-c", 'cat; echo "$1" >&2; pwd', "sh", "two  words", input="in\n",
                   directory=world.tmp)
    assert done.stdout == f"in\n{world.tmp}\n"
    assert done.stderr == "two  words\n"


def test_a_gate_that_fails_is_one_message(world):
    done = dev_run(world, "true", program="/bin/false")
    assert done.returncode == 1 and done.stderr.startswith("dev: run: no network")


def test_a_closed_device_names_the_fix(rootless_world):
    node = rootless_world.tmp / "closed"
    node.touch(mode=0o600)
    rootless_world.host.run("mount", "--bind", node, "/dev/net/tun")
    done = dev_run(rootless_world, "true")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "chmod 0666 /dev/net/tun" in done.stderr

"""What --enable-sandbox and --enable-seccomp leave to the process, and what they must not break."""
import os
import pathlib
import signal

import pytest

import probes
import world as w
from probes import CONFINED

NET_BIND_SERVICE = 1 << 10
SECCOMP_FILTER = "2"


def root_of(gate):
    return pathlib.Path(f"/proc/{gate.pid}/root/")


def tree(top):
    """Every path below a directory, relative to it."""
    return {os.path.relpath(os.path.join(folder, name), top)
            for folder, folders, files in os.walk(top) for name in folders + files}


def test_only_resolv_conf_is_reachable(world):
    gate = world.start_tap(*CONFINED)
    assert tree(root_of(gate)) == {"etc", "etc/resolv.conf"}
    assert (root_of(gate) / "etc/resolv.conf").read_text().split() == ["nameserver", w.INET4]
    assert os.readlink(f"/proc/{gate.pid}/cwd") in ("/", str(root_of(gate)))


def test_every_mount_is_read_only(world):
    gate = world.start_tap("--enable-sandbox")
    mounts = pathlib.Path(f"/proc/{gate.pid}/mountinfo").read_text().splitlines()
    assert mounts
    for mount in mounts:
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(mount.split()[5].split(",")), mount


def test_mounts_of_the_host_are_as_before(world):
    before = world.host.run("cat", "/proc/self/mountinfo").stdout
    gate = world.start_tap(*CONFINED)
    assert world.host.run("cat", "/proc/self/mountinfo").stdout == before
    assert gate.stop() == 0
    assert world.host.run("cat", "/proc/self/mountinfo").stdout == before


@pytest.mark.parametrize("options", [["--enable-sandbox"], CONFINED])
def test_capabilities(world, options):
    facts = probes.status(world.start_tap(*options).pid)
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[which], 16) & ~NET_BIND_SERVICE == 0, which
    assert facts["NoNewPrivs"] == "1"


@pytest.mark.parametrize("options", [["--enable-seccomp"], CONFINED])
def test_seccomp_filter(world, options):
    facts = probes.status(world.start_tap(*options).pid)
    assert facts["Seccomp"] == SECCOMP_FILTER


def test_confined_when_the_ready_byte_comes(world):
    """A caller may trust the byte: nothing of the confinement is still to be done."""
    for _ in range(5):
        gate = world.start(*CONFINED, world.new_guest().pid, "tap0")
        facts = probes.status(gate.pid)
        assert (facts["Seccomp"], facts["NoNewPrivs"]) == (SECCOMP_FILTER, "1")
        assert tree(root_of(gate)) == {"etc", "etc/resolv.conf"}
        gate.stop()


def test_path_mode_is_confined_too(world):
    gate = world.start("-c", *CONFINED, "--netns-type=path",
                       f"--userns-path=/proc/{world.guest.pid}/ns/user",
                       f"/proc/{world.guest.pid}/ns/net", "tap0")
    assert tree(root_of(gate)) == {"etc", "etc/resolv.conf"}
    assert probes.status(gate.pid)["Seccomp"] == SECCOMP_FILTER


def test_network_namespace_stays_the_callers(world, confinement):
    gate = world.start_tap(*confinement)
    assert os.readlink(f"/proc/{gate.pid}/ns/net") == os.readlink(f"/proc/{world.host.pid}/ns/net")


# --- what the caller has set before the exec ---


@pytest.mark.parametrize("death_signal", ["KILL", "TERM"])
def test_parent_death_signal_survives(world, confinement, death_signal):
    """The descriptor of a pipe tells when the gate, and all that it started, is gone."""
    shell = f'setpriv --pdeathsig={death_signal} "$@" & wait'
    with probes.pipe() as (alive_r, alive_w), probes.pipe() as (ready_r, ready_w):
        parent = world.spawn(world.host, *world.as_user(), "sh", "-c", shell, "sh", w.binary(),
                             "-r", ready_w, "-c", *confinement, world.guest.pid, "tap0",
                             pass_fds=[alive_w, ready_w])
        os.close(alive_w)
        os.close(ready_w)
        assert os.read(ready_r, 1) == b"1", os.read(parent.stdout.fileno(), 4096)
        parent.kill()
        probes.wait_eof(alive_r)


def through_shell(world, script):
    """The caller's prefix, with a shell before the exec."""
    return [*world.as_user(), "sh", "-c", script + '; exec "$@"', "sh"]


def test_ignored_sigchld_is_survived(world, confinement):
    world.start_tap(*confinement, user=through_shell(world, "trap '' CHLD"))
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)


def test_ignored_sigterm_does_not_make_it_immortal(world, confinement):
    """nohup-like callers: the exit-fd still ends the process."""
    gate = world.start_tap(*confinement, user=through_shell(world, "trap '' TERM HUP INT"))
    assert gate.stop() == 0


def test_blocked_signals_are_survived(world):
    """A caller that blocks everything while it spawns gets a process that still ends by SIGTERM."""
    gate = world.start_tap(*CONFINED, user=[*world.as_user(), "env", "--block-signal"])
    gate.process.send_signal(signal.SIGTERM)
    assert gate.wait() == -signal.SIGTERM

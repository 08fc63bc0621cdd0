"""Every way to name the guest: PID, path, user namespace path, and a tap descriptor."""
import os
import socket

import pytest

import peers
import probes
import world as w


def bound_path(world, ns):
    """The namespace bound to a file, as podman and rootlesskit do."""
    path = world.tmp / "bound-netns"
    path.touch()
    world.host.run("mount", "--bind", f"/proc/{ns.pid}/ns/net", path)
    return path


def assert_serves(world):
    probes.serve_inet(world, w.INET4)
    probes.assert_works(world)


def target_path(world, kind, ns):
    return bound_path(world, ns) if kind == "bound" else f"/proc/{ns.pid}/ns/net"


def test_pid(world, confinement):
    world.start("-c", *confinement, world.guest.pid, "tap0")
    assert_serves(world)


def test_pid_with_userns_path(world, confinement):
    world.start("-c", f"--userns-path=/proc/{world.guest.pid}/ns/user", *confinement,
                world.guest.pid, "tap0")
    assert_serves(world)


@pytest.mark.parametrize("kind", ["bound", "proc"])
def test_path_with_userns_path(world, confinement, kind):
    """An ordinary user may name both namespaces by path, also in the sandbox."""
    world.start("-c", "--netns-type=path", f"--userns-path=/proc/{world.guest.pid}/ns/user",
                *confinement, target_path(world, kind, world.guest), "tap0")
    assert_serves(world)


@pytest.mark.parametrize("kind", ["bound", "proc"])
def test_path_as_root(rootful_world, confinement, kind):
    rootful_world.start("-c", "--netns-type=path", *confinement,
                        target_path(rootful_world, kind, rootful_world.guest), "tap0")
    assert_serves(rootful_world)


def test_path_as_root_of_a_user_namespace(rootless_world, confinement):
    """As rootless podman does: caller and guest share a user namespace."""
    world = rootless_world
    podman = world.new_user_namespace()
    world.guest = world.new_guest_inside(podman)
    inside = [*world.as_user(), "nsenter", f"--target={podman.pid}", "--user", "--mount",
              "--preserve-credentials", "--"]
    world.start("-c", "--netns-type=path", *confinement, f"/proc/{world.guest.pid}/ns/net", "tap0",
                user=inside)
    assert_serves(world)


def test_path_of_a_stranger_is_refused(rootless_world):
    """Without --userns-path no user namespace is joined: the kernel says no, nothing is made."""
    world = rootless_world
    gate = world.start("-c", "--netns-type=path", f"/proc/{world.guest.pid}/ns/net", "tap0",
                       wait=False)
    assert gate.wait() == 1
    assert os.read(gate.ready_r, 1) == b""
    assert len(world.guest.ip("link")) == 1


def take_tap(world, name="tap0"):
    """Make a tap inside the guest and bring its descriptor here."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        maker = world.guest.popen(*probes.program(world, peers.make_tap), name, theirs.fileno(),
                                  pass_fds=[theirs.fileno()])
        _, fds, _, _ = socket.recv_fds(ours, 16, 1)
        assert maker.wait(w.DEADLINE_S) == 0
    return fds[0]


def test_tap_descriptor(world, confinement):
    tap = take_tap(world)
    gate = world.start("--netns-type=tapfd", *confinement, tap, extra_fds=[tap])
    os.close(tap)
    world.guest.run("ip", "addr", "add", f"{w.GUEST4}/24", "dev", "tap0")
    world.guest.run("ip", "link", "set", "tap0", "up")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY4)
    assert_serves(world)
    assert gate.stop() == 0


def test_tap_descriptor_is_not_configured(world):
    """-c and a name are accepted beside the descriptor and change nothing."""
    tap = take_tap(world)
    world.start("-c", "--netns-type=tapfd", tap, extra_fds=[tap])
    os.close(tap)
    assert "UP" not in world.guest.ip("link", "show", "tap0")[0]["flags"]


def test_two_gates_in_one_guest(world):
    world.start_tap()
    world.start("-c", "--cidr=10.0.3.0/24", world.guest.pid, "tap1")
    for gateway in (w.GATEWAY4, "10.0.3.2"):
        world.guest.run("ping", "-c1", "-W5", gateway)


def test_busy_tap_is_refused(world):
    world.start_tap()
    gate = world.start("-c", world.guest.pid, "tap0", wait=False)
    assert gate.wait() == 1
    assert "Device or resource busy" in gate.stderr()
    assert_serves(world)


def test_guest_that_is_gone_is_refused(world):
    pid = world.guest.pid
    world.guest.close()
    gate = world.start("-c", pid, "tap0", wait=False)
    assert gate.wait() == 1
    assert os.read(gate.ready_r, 1) == b""

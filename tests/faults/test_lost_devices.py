"""A tap that vanishes, a guest that ends, a descriptor that is no tap."""
import os
import socket

import pytest

import probes
import world as w
from probes import CONFINED


def test_deleted_tap_ends_the_process(world, sock, confinement):
    """Status 1, one line, and no file left behind."""
    gate = world.start_tap("-a", sock, *confinement)
    assert probes.errors(gate) == []
    world.guest.run("ip", "link", "del", "tap0")
    assert gate.wait() == 1
    assert len(probes.errors(gate)) == 1, gate.stderr()
    assert not sock.exists()


def test_deleted_persistent_tap_ends_the_process(world):
    world.guest.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
    gate = world.start(world.guest.pid, "tap0")
    world.guest.run("ip", "link", "del", "tap0")
    assert gate.wait() == 1


def test_tap_that_goes_down_and_up_again(world):
    """Down is not gone: the traffic goes on afterwards."""
    gate = world.start_tap(*CONFINED)
    world.guest.run("ip", "link", "set", "tap0", "down")
    probes.assert_idle(gate.pid)
    world.guest.run("ip", "link", "set", "tap0", "up")
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    assert gate.stop() == 0


def test_dead_guest_is_waited_for_without_work(world, sock):
    """The last process of the guest is gone: nothing to do, and the exit-fd still counts."""
    gate = world.start_tap("-a", sock, *CONFINED)
    world.guest.close()
    probes.assert_idle(gate.pid)
    assert w.api(sock, "list_hostfwd")["entries"] == []
    assert gate.stop() == 0
    assert not sock.exists()


def assert_refused(world, fd, extra_fds=()):
    gate = world.start("--netns-type=tapfd", fd, extra_fds=extra_fds, wait=False)
    assert gate.wait() == 1
    assert os.read(gate.ready_r, 1) == b"", "the ready byte came for a descriptor that is no tap"
    assert len(probes.errors(gate)) == 1, gate.stderr()


def test_pipe_is_no_tap(world):
    with probes.pipe() as (reader, _):
        assert_refused(world, reader, [reader])


def test_socket_is_no_tap(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert_refused(world, sock.fileno(), [sock.fileno()])


@pytest.mark.parametrize("path", ["/dev/null", "/dev/net/tun", __file__])
def test_file_is_no_tap(world, path):
    """/dev/net/tun itself is no tap until a device is attached to it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        assert_refused(world, fd, [fd])
    finally:
        os.close(fd)


@pytest.mark.parametrize("number", [99, 100000])
def test_closed_descriptor_is_no_tap(world, number):
    assert_refused(world, number)


def test_restart_in_the_same_guest(world, sock):
    """However a run ended, the next one finds nothing in its way."""
    for _ in range(3):
        gate = world.start_tap("-a", sock, *CONFINED)
        gate.process.kill()
        gate.wait()
        w.wait_until(lambda: len(world.guest.ip("link")) == 1, "the tap to go")
    gate = world.start_tap("-a", sock, *CONFINED)
    assert w.api(sock, "list_hostfwd")["entries"] == []
    assert gate.stop() == 0

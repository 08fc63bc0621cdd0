"""No descriptors left, a full disk, closed standard streams, a stopped process."""
import contextlib
import os
import resource
import signal
import socket

import pytest

import frames
import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish

DESCRIPTORS = 60


def shell(world, redirection):
    """The caller's prefix with a shell that redirects before the exec."""
    return [*world.as_user(), "bash", "-c", f'exec "$@" {redirection}', "bash"]


@pytest.mark.usefixtures("stack")
def test_no_descriptors_left(world, sock, confinement):
    """More connections than descriptors: no spin, no flood of lines, and it works again after."""
    probes.serve_inet(world, w.INET4)
    limit = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", "--"]
    gate = world.start_tap("-a", sock, *confinement, user=[*world.as_user(), *limit])
    holder = begin(world, world.guest, peers.hold, w.INET4, PORT, 150, 20, ready_line="holding")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(w.DEADLINE_S)
            client.connect(str(sock))
        probes.assert_idle(gate.pid)
        holder.kill()
        holder.wait()
    w.wait_until(lambda: peer_connects(world), "connections to work again")
    probes.assert_works(world)
    assert w.api(sock, "list_hostfwd")["entries"] == []
    assert len(gate.stderr()) < 16384
    assert gate.stop() == 0


@pytest.mark.usefixtures("native")
def test_no_descriptors_for_clients_of_a_port(world, sock, confinement):
    """They wait in the backlog; nobody spins for them, and those that stay are served in the end.

    libslirp serves nobody any more after this.
    """
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    limit = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", "--"]
    gate = world.start_tap("-a", sock, *confinement, user=[*world.as_user(), *limit])
    w.api(sock, "add_hostfwd", proto="tcp", host_addr="0.0.0.0", host_port=8080, guest_port=PORT)
    holder = begin(world, world.inet, peers.hold, w.HOST4, 8080, 150, 150, ready_line="holding")
    probes.assert_idle(gate.pid)
    holder.kill()
    holder.wait()
    assert probes.peer(world, world.inet, peers.ask, w.HOST4, 8080, "peer") == w.INET4
    assert len(gate.stderr()) < 16384
    assert gate.stop() == 0


def test_no_descriptor_for_the_next_bess_client(rootful_world):
    """It waits in the queue, and nobody spins for it; with room again it is served."""
    path = rootful_world.tmp / "bess.sock"
    gate = rootful_world.start("--target-type=bess", path, wait=False)
    first = frames.BessClient(path)
    gate.wait_ready()
    first.close()
    w.wait_until(lambda: gate.stderr().count("Waiting for connection") == 2, "the client's end")
    soft, hard = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    numbers = sorted(map(int, os.listdir(f"/proc/{gate.pid}/fd")))
    free = next(n for n in range(len(numbers) + 1) if n not in numbers)
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (free, hard))
    second = frames.BessClient(path)
    probes.assert_idle(gate.pid)
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (soft, hard))
    second.resolve_gateway()
    second.close()


def peer_connects(world):
    return probes.peer(world, world.guest, peers.connect, w.INET4, PORT, 1) == "connected"


@pytest.mark.parametrize("redirection", [
    ">/dev/full 2>/dev/full", "<&- >&- 2>&-", "2>&-", ">&-", "<&-"])
def test_standard_streams_that_cannot_be_written(world, sock, redirection):
    """A full disk or a closed stream costs the lines, nothing else; no line ends on the wire."""
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap("-a", sock, *CONFINED, user=shell(world, redirection))
    w.api(sock, "format_disk")
    probes.assert_works(world)
    assert w.api(sock, "list_hostfwd")["entries"] == []
    assert gate.stop() == 0


def test_nobody_reads_standard_error(world, sock):
    """A pipe that is full must not stop the traffic, however many lines there are to write."""
    probes.serve_inet(world, w.INET4)
    with probes.pipe() as (_, writer):
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        gate = world.start_tap("-a", sock, *CONFINED, extra_fds=[writer],
                               user=shell(world, f"2>&{writer}"))
        for _ in range(20):
            w.api(sock, "list_hostfwd")
        probes.assert_works(world)
        assert gate.stop() == 0


def test_reader_of_standard_error_is_gone(world, sock):
    with probes.pipe() as (reader, writer):
        gate = world.start_tap("-a", sock, *CONFINED, extra_fds=[writer],
                               user=shell(world, f"2>&{writer} >&{writer}"))
        os.close(writer)
        os.close(reader)
        w.api(sock, "list_hostfwd")
        world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
        assert gate.stop() == 0


def test_stopped_and_continued(world, sock):
    """Everything that came while the process was stopped is still served, byte for byte."""
    size = 32 << 20
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap("-a", sock, *CONFINED)
    flows = [begin(world, world.guest, program, w.INET4, PORT, size)
             for program in (peers.upload, peers.download)]
    probes.wait_established(world.inet, PORT)
    gate.process.send_signal(signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(w.DEADLINE_S)
        client.connect(str(sock))
        client.sendall(b'{"execute":"list_hostfwd"}')
        gate.process.send_signal(signal.SIGCONT)
        assert b"entries" in client.recv(4096)
    assert [finish(flow) for flow in flows] == [peers.stream_digest(size)] * 2

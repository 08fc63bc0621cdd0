"""Links that are no TAP of ours: sockets of each kind, and a TAP that somebody hands over."""
import contextlib
import os
import select
import shutil
import signal
import socket
import stat
import struct

import pytest

import link_peers
import peers
import probes
import world as w
from probes import PORT, peer

MIB = 1 << 20
HOST_PORT = 8080
KINDS = ("seqpacket", "stream", "bess")


@contextlib.contextmanager
def pair(kind="seqpacket"):
    """Two connected sockets; whatever is still open is closed at the end."""
    ends = socket.socketpair(socket.AF_UNIX, link_peers.TYPES[kind])
    try:
        yield ends
    finally:
        for end in ends:
            end.close()


def start(world, where, *options, extra_fds=(), **kw):
    """Our side of a link, everything confined, one port published; its counters are at api.sock."""
    return world.attach(f"--link={where}", f"--publish={HOST_PORT}:{PORT}", "--ipv6=on", *options,
                        api=world.tmp / "api.sock", wait=False, extra_fds=extra_fds, **kw)


def begin(world, program, *arguments, ready_line, **kw):
    return world.spawn(world.guest, *probes.program(world, program), *arguments,
                       ready_line=ready_line, **kw)


def carry(world, kind, path):
    w.wait_until(path.exists, "the socket file")
    return begin(world, link_peers.carry, kind, path, ready_line="carrying")


def stats(world):
    return w.api(world.tmp / "api.sock", "get_stats")["return"]


def connect(kind, path):
    def attempt():
        sock = socket.socket(socket.AF_UNIX, link_peers.TYPES[kind])
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            sock.connect(str(path))
            return sock
        sock.close()
        return None
    return w.wait_until(attempt, f"somebody to accept on {path}")


def assert_network(world):
    """Both families, both ways, TCP and UDP, an echo, and a port of the host."""
    probes.serve_inet(world)
    for address in w.INET4, w.INET6:
        for client in peers.upload, peers.download:
            assert peer(world, world.guest, client, address, PORT, 4 * MIB) == \
                peers.stream_digest(4 * MIB)
        assert peer(world, world.guest, peers.udp_echo, address, PORT, 1, 1200) == [1, 1200]
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY6)
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    assert peer(world, world.host, peers.upload, "127.0.0.1", HOST_PORT, MIB) == \
        peers.stream_digest(MIB)


# --- sockets ---


@pytest.mark.parametrize("kind", KINDS)
def test_listening(world, kind):
    path = world.tmp / "link.sock"
    gate = start(world, f"{kind}:{path}")
    carry(world, kind, path)
    gate.wait_ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert_network(world)
    assert gate.stop() == 0
    assert not path.exists()
    assert gate.stdout() == ""


@pytest.mark.parametrize("kind", KINDS)
def test_inherited(world, kind):
    """A parent and its child: neither needs a path."""
    with pair(kind) as (ours, theirs):
        gate = start(world, f"{kind}:{ours.fileno()}", extra_fds=[ours.fileno()])
        begin(world, link_peers.carry, kind, theirs.fileno(), ready_line="carrying",
              pass_fds=[theirs.fileno()])
        gate.wait_ready()
    assert_network(world)


@pytest.mark.parametrize("kind", KINDS)
def test_inherited_listener(rootless_world, kind):
    world, path = rootless_world, rootless_world.tmp / "link.sock"
    with socket.socket(socket.AF_UNIX, link_peers.TYPES[kind]) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        gate = start(world, f"{kind}:{listener.fileno()}", extra_fds=[listener.fileno()])
    for _ in range(2):
        far = carry(world, kind, path)
        world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
        far.kill()
        far.wait()
    gate.wait_ready()
    assert gate.stop() == 0
    assert path.exists()        # it is not ours


@pytest.mark.parametrize("stacks", [(), ("--tcp=slirp", "--udp=slirp")], ids=["native", "slirp"])
def test_tap_link(world, stacks):
    """The guest's side of a raw IP link, as a program of ours, that ends with the link."""
    with pair() as (ours, theirs), probes.pipe() as (ready_r, ready_w):
        gate = start(world, f"seqpacket:{ours.fileno()}", *stacks, extra_fds=[ours.fileno()])
        far = world.spawn(world.guest, w.binary(), "tap", f"--link={theirs.fileno()}",
                          "--configure", "--ipv6=on", f"--ready-fd={ready_w}",
                          pass_fds=[theirs.fileno(), ready_w])
        os.close(ready_w)
        assert probes.wait_eof(ready_r) == b"1"
        gate.wait_ready()
    assert_network(world)
    assert probes.status(far.pid)["Seccomp"] == "2"
    probes.assert_idle(far.pid)
    assert gate.stop() == 0
    assert far.wait(w.DEADLINE_S) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_a_connected_link(rootless_world, kind):
    with pair(kind) as (ours, theirs):
        gate = start(rootless_world, f"{kind}:{ours.fileno()}", extra_fds=[ours.fileno()])
        ours.close()
        gate.wait_ready()
        theirs.close()
        assert gate.wait() == 1
    assert probes.errors(gate) == ["the link's other end has gone"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_client_after_the_other(rootless_world, kind):
    """The second waits while the first is there; the end of one is no end."""
    world, path = rootless_world, rootless_world.tmp / "link.sock"
    gate = start(world, f"{kind}:{path}")
    first = connect(kind, path)
    gate.wait_ready()
    far = carry(world, kind, path)
    assert world.guest.run("ping", "-c1", "-W1", w.GATEWAY4, check=False).returncode
    first.close()
    assert_network(world)
    far.kill()
    far.wait()
    probes.assert_idle(gate.pid)
    carry(world, kind, path)
    probes.assert_works(world)
    assert gate.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_goes_with_a_killed_engine(rootless_world, kind):
    path = rootless_world.tmp / "link.sock"
    gate = start(rootless_world, f"{kind}:{path}")
    client = connect(kind, path)
    gate.wait_ready()
    gate.process.send_signal(signal.SIGKILL)
    w.wait_until(lambda: not path.exists(), "the socket file to go")
    client.close()


def test_ends_while_it_waits_for_a_client(rootless_world):
    path = rootless_world.tmp / "link.sock"
    gate = start(rootless_world, f"stream:{path}")
    w.wait_until(path.exists, "the socket file")
    assert gate.stop() == 0
    assert not path.exists()


def test_a_socket_of_another_type_is_refused(rootless_world):
    with pair("stream") as (ours, _):
        gate = start(rootless_world, f"seqpacket:{ours.fileno()}", extra_fds=[ours.fileno()])
        assert gate.wait() == 1
    assert "a socket of another type" in gate.stderr()


# --- a stream that is none ---


def frame(length, content=b""):
    return struct.pack(">I", length) + content


@pytest.mark.parametrize("garbage", [frame(0), frame(13, bytes(13)), frame(65590), frame(2**32 - 1),
                                     frame(60, bytes(60)) + frame(0), b"GET / HTTP/1.1\r\n\r\n"],
                         ids=["0", "13", "one-more", "most", "after-a-frame", "http"])
def test_bad_framing(rootless_world, garbage):
    """The peer is dropped, with one line however often it comes again; the next one is served."""
    world, path = rootless_world, rootless_world.tmp / "link.sock"
    gate = start(world, f"stream:{path}")
    for _ in range(5):
        with connect("stream", path) as sock:
            sock.settimeout(w.DEADLINE_S)
            sock.sendall(garbage)
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(4096):
                    pass
    gate.wait_ready()
    carry(world, "stream", path)
    probes.serve_inet(world, w.INET4)
    probes.assert_works(world)
    lines = [line for line in probes.errors(gate) if "the peer is dropped" in line]
    assert len(lines) == 1 and gate.stop() == 0


def test_bad_framing_ends_a_connected_link(rootless_world):
    with pair("stream") as (ours, theirs):
        gate = start(rootless_world, f"stream:{ours.fileno()}", extra_fds=[ours.fileno()])
        gate.wait_ready()
        theirs.sendall(frame(0))
        assert gate.wait() == 1


def test_one_byte_at_a_time(rootless_world):
    """And a frame that is cut off by the end of the stream is none."""
    world, path = rootless_world, rootless_world.tmp / "link.sock"
    gate = start(world, f"stream:{path}")
    with connect("stream", path) as sock:
        gate.wait_ready()
        for byte in frame(60, bytes(60)) * 2 + frame(60, bytes(59)):
            sock.sendall(bytes([byte]))
        w.wait_until(lambda: stats(world)["link"]["frames_from_guest"] == 2, "two frames")
    carry(world, "stream", path)
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    assert stats(world)["link"]["frames_from_guest"] > 2
    assert gate.stop() == 0


# --- a TAP that somebody hands over ---


def start_from(world, sock, *options):
    return world.attach(f"--tap-from={sock.fileno()}", f"--publish={HOST_PORT}:{PORT}",
                        "--ipv6=on", *options, wait=False, extra_fds=[sock.fileno()])


@pytest.mark.parametrize("offloads", ["", "offloads"])
def test_tap_of_a_program_that_knows_nothing_of_us(world, offloads):
    """It opens /dev/net/tun itself, and is told when there is a network."""
    with pair("stream") as (ours, theirs):
        gate = start_from(world, ours)
        far = begin(world, link_peers.send_tap, theirs.fileno(), "tap0", offloads,
                    ready_line="sent", pass_fds=[theirs.fileno()])
        gate.wait_ready()
        assert probes.finish(far) == "1"
    assert_network(world)
    assert gate.stop() == 0


@pytest.mark.parametrize("wait", [False, True])
def test_tap_send(world, wait):
    """Nothing of ours stays inside."""
    with pair() as (ours, theirs):
        gate = start_from(world, ours)
        ours.close()
        done = world.guest.run(w.binary(), "tap", f"--send={theirs.fileno()}", "--configure",
                               "--ipv6=on", *(["--wait"] if wait else []),
                               pass_fds=[theirs.fileno()])
        assert (done.stdout, done.stderr) == ("", "")
        gate.wait_ready()
    assert_network(world)
    assert gate.stop() == 0
    assert gate.stderr() == ""


def test_tap_send_wait_says_that_there_is_nobody(rootless_world):
    with pair() as (ours, theirs):
        ours.close()
        done = rootless_world.guest.run(w.binary(), "tap", f"--send={theirs.fileno()}", "--wait",
                                        pass_fds=[theirs.fileno()], check=False)
    assert done.returncode == 1 and "tap: --send" in done.stderr


@pytest.mark.parametrize("what, why", [("none", "exactly one descriptor"), ("two", "exactly one"),
                                       ("null", "no TAP"), ("unattached", "bad state")])
def test_messages_that_bring_no_tap(rootless_world, what, why):
    with pair("stream") as (ours, theirs):
        gate = start_from(rootless_world, ours)
        ours.close()
        rootless_world.guest.run(*probes.program(rootless_world, link_peers.send_wrong),
                                 theirs.fileno(), what, pass_fds=[theirs.fileno()])
        assert gate.wait() == 1
    line, = probes.errors(gate)
    assert line.startswith("--tap-from=") and why in line


def test_a_sender_that_goes(rootless_world):
    with pair("stream") as (ours, theirs):
        gate = start_from(rootless_world, ours)
        ours.close()
        theirs.close()
        assert gate.wait() == 1
    assert "sent no TAP" in gate.stderr()


def test_ends_while_it_waits_for_the_sender(rootless_world):
    with pair("stream") as (ours, _):
        gate = start_from(rootless_world, ours)
        assert gate.stop() == 0


@pytest.mark.parametrize("options", [[], ["--send=3", "--link=4"], ["--send=3", "tap0"]])
def test_tap_usage(rootless_world, options):
    done = rootless_world.guest.run(w.binary(), "tap", *options, check=False)
    assert done.returncode == 1 and "usage" in done.stderr


def test_tap_without_the_device(rootless_world):
    world = rootless_world
    world.guest.run("mount", "-t", "tmpfs", "none", "/dev/net")
    done = world.guest.run(w.binary(), "tap", "--send=0", check=False)
    assert done.returncode == 1 and "/dev/net/tun" in done.stderr and "fix: " in done.stderr


# --- a machine ---


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="no QEMU")
def test_qemu_boots_from_the_network(rootless_world):
    """The ROM of its network card asks for an address, and gets one, over the stream."""
    world, path = rootless_world, rootless_world.tmp / "link.sock"
    gate = start(world, f"stream:{path}")
    w.wait_until(path.exists, "the socket file")
    machine = world.guest.popen(
        "qemu-system-x86_64", "-nodefaults", "-machine", "pc,accel=tcg", "-m", "64", "-nographic",
        "-serial", "stdio", "-monitor", "none", "-boot", "n", "-netdev",
        f"stream,id=link,server=off,addr.type=unix,addr.path={path}", "-device",
        "virtio-net-pci,netdev=link", stdin=-3, stdout=-1, stderr=-2)
    try:
        gate.wait_ready()
        assert b"10.0.2.15/255.255.255.0 gw 10.0.2.2" in read_until(machine, b"gw 10.0.2.2")
    finally:
        machine.kill()
        machine.wait()
        machine.stdout.close()


def read_until(process, wanted, deadline_s=120):
    seen = b""
    while wanted not in seen:
        readable, _, _ = select.select([process.stdout], [], [], deadline_s)
        piece = os.read(process.stdout.fileno(), 4096) if readable else b""
        assert piece, seen.decode(errors="replace")
        seen += piece
    return seen

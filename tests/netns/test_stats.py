"""get_stats: what was counted is what has happened."""
import fcntl
import json
import socket
import struct
import termios

import pytest

import frames
import peers
import probes
import world as w
from frames import ETH_IP4, UDP, ethernet, ip4
from probes import CONFINED, PORT, begin, peer

SIZE = 4 << 20
HELD = 5
DESCRIPTORS = 60
REQUEST = b'{"execute":"get_stats"}'


@pytest.fixture(name="path")
def api_path(world):
    return world.tmp / "api.sock"


def stats(path):
    return w.api(path, "get_stats")["return"]


def wait_stats(path, condition, what):
    """The first counters for which that is so."""
    def look():
        now = stats(path)
        return now if condition(now) else None
    return w.wait_until(look, what)


def numbers(tree):
    for value in tree.values():
        yield from numbers(value) if isinstance(value, dict) else [value]


def assert_consistent(now):
    assert all(isinstance(number, int) and number >= 0 for number in numbers(now))
    if "tcp" in now:
        assert sum(now["tcp"]["flows_by_state"].values()) == now["tcp"]["flows"]
        assert now["tcp"]["half_open"] <= now["tcp"]["half_open_limit"]


def test_while_idle(world, path, stack, confinement):
    gate = world.start_tap("-a", path, *confinement)
    now = stats(path)
    assert_consistent(now)
    modules = {"link", "gate", "udp", "ports"}
    assert set(now) == modules | ({"tcp", "pool"} if stack == "native" else set())
    probes.assert_idle(gate.pid)
    later = w.api(path, "get_stats", unknown=[1])["return"]      # as other requests take it
    assert later.get("tcp") == now.get("tcp") and set(later) == set(now)


def test_bytes_add_up(world, path, stack):
    probes.serve_inet(world, w.INET4)
    world.start_tap("-a", path, *CONFINED)
    answers = [peer(world, world.guest, program, w.INET4, PORT, SIZE)
               for program in (peers.upload, peers.download)]
    assert answers == [peers.stream_digest(SIZE)] * 2
    now = stats(path)
    assert_consistent(now)
    to_host = SIZE + len(f"sink\nsource {SIZE}\n")
    to_guest = SIZE + len(json.dumps(answers[0]) + "\n")
    headers = 14 + 20 + 20
    for way, size in (("from_guest", to_host), ("to_guest", to_guest)):
        count = now["link"][f"frames_{way}"]
        assert count > 0 and now["link"][f"bytes_{way}"] >= size + headers
    assert now["gate"]["to_slirp" if stack == "slirp" else "to_tcp"] > 0
    if stack == "native":
        tcp = now["tcp"]
        assert (tcp["bytes_to_host"], tcp["bytes_to_guest"]) == (to_host, to_guest)
        assert (tcp["opened"], tcp["refused"]) == (2, 0)


@pytest.mark.parametrize("stack", ["native"], indirect=True)
def test_flows_by_state(world, path, stack):
    probes.serve_inet(world, w.INET4)
    world.start_tap("-a", path, *CONFINED)
    holder = begin(world, world.guest, peers.hold, w.INET4, PORT, HELD, HELD, ready_line="holding")
    now = wait_stats(path, lambda now: now["tcp"]["flows_by_state"]["established"] == HELD,
                     "the connections to be established")
    assert_consistent(now)
    assert (now["tcp"]["flows"], now["tcp"]["half_open"], now["tcp"]["opened"]) == (HELD, 0, HELD)
    holder.kill()
    holder.wait()
    now = wait_stats(path, lambda now: now["tcp"]["flows_by_state"]["established"] == 0,
                     "the connections to end")
    assert_consistent(now)
    assert peer(world, world.guest, peers.connect, w.INET4, 9) == "ECONNREFUSED"
    assert stats(path)["tcp"]["refused"] == 1


def test_drops_by_reason(world, path, stack):
    datagram = frames.udp(4000, 53, b"data")
    bad = {
        ("drops", "to_nowhere"): ip4(UDP, datagram, dst="10.0.2.77"),
        ("drops", "from_foreign_address"): ip4(UDP, datagram, src="192.0.2.9"),
        ("faults", "bad_ip_header"): ip4(UDP, datagram, first=0x41),
        ("faults", "bad_ip_length"): ip4(UDP, datagram, length=1000),
    }
    gate = world.start_tap("-a", path, *CONFINED)
    before = stats(path)["gate"]
    sent = [ethernet(ETH_IP4, packet).hex() for n, packet in enumerate(bad.values(), 1)
            for _ in range(n)]
    assert peer(world, world.guest, peers.send_frames, "tap0", input=json.dumps(sent)) == len(sent)

    def counted(now):
        return [now["gate"][kind][name] - before[kind][name] for kind, name in bad]
    now = wait_stats(path, lambda now: sum(counted(now)) == len(sent), "the frames to be counted")
    assert counted(now) == [1, 2, 3, 4]
    assert_consistent(now)
    assert gate.stop() == 0
    last, = [line for line in probes.errors(gate) if line.startswith("frames from the guest dropped: ")]
    for kind, name in bad:
        assert f"{now['gate'][kind][name]} {name}" in last


def unread(sock):
    """How much of what we sent the other side has not read."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


@pytest.mark.parametrize("stack", ["native"], indirect=True)
def test_connections_without_descriptors(world, path, stack):
    """They are refused, counted, and said in one line."""
    probes.serve_inet(world, w.INET4)
    limit = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", "--"]
    gate = world.start_tap("-a", path, *CONFINED, user=[*world.as_user(), *limit])
    said = f"tcp: no room for a connection: descriptors, the limit is {DESCRIPTORS}"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(w.DEADLINE_S)
        client.connect(str(path))
        client.sendall(REQUEST[:1])
        w.wait_until(lambda: unread(client) == 0, "the client to be accepted")
        holder = begin(world, world.guest, peers.hold, w.INET4, PORT, 150, 20, ready_line="holding")
        w.wait_until(lambda: said in gate.stderr(), "a connection to be refused")
        assert peer(world, world.guest, peers.connect, w.INET4, PORT) == "ECONNREFUSED"
        client.sendall(REQUEST[1:])
        tcp = json.loads(client.recv(65536))["return"]["tcp"]
    assert tcp["drops"]["descriptors"] > 0 and tcp["refused"] == 0
    assert tcp["flows"] < DESCRIPTORS
    holder.kill()
    holder.wait()
    w.wait_until(lambda: peer(world, world.guest, peers.connect, w.INET4, PORT, 1) == "connected",
                 "connections to work again")
    assert gate.stop() == 0
    assert probes.errors(gate).count(said) == 1


def test_counters_outlive_a_bess_client(world, path):
    bess = world.tmp / "bess.sock"
    gate = world.start("--target-type=bess", "-a", path, *CONFINED, bess, wait=False)
    seen = []
    for _ in range(2):
        client = frames.BessClient(bess)
        if not seen:
            gate.wait_ready()
        client.resolve_gateway()
        seen.append(stats(path)["link"])
        client.close()
    for key in ("frames_from_guest", "bytes_from_guest", "frames_to_guest", "bytes_to_guest"):
        assert 0 < seen[0][key] < seen[1][key]

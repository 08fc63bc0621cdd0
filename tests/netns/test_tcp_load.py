"""Many connections, short ones, slow ones, and one that is full in both directions.

FULL=1 in the environment makes each as large as it is meant to be: minutes instead of seconds.
"""
import signal

import pytest

import flows
import peers
import probes
import world as w
from probes import CONFINED, FULL, PORT, begin, finish, peer

MIB = 1 << 20
IDLE = 10000
CHURN = 100000 if FULL else 3000
ECHO_BYTES = 1024 * MIB if FULL else 64 * MIB
SLOW_S = 60 if FULL else 0
MANY_PORT = PORT + 1
DESCRIPTORS = 2 * IDLE
# What may be left of half of the connections: less than 200 bytes of each, and where the server
# has closed first, flows in TIME_WAIT.
LEFT_KIB = {"client": 256, "reset": 256, "server": 2048}
PATIENCE_S = 3000 if FULL else 120

pytestmark = [pytest.mark.usefixtures("stack"), pytest.mark.timeout(300 + 2 * PATIENCE_S)]

native_only = pytest.mark.parametrize("stack", ["native"], indirect=True)


def start_large(world, *options):
    """Start the gate with a limit of descriptors that lets it have all of the flows."""
    hard = ["prlimit", f"--nofile=1024:{DESCRIPTORS}", "--"]
    return world.start_tap(*options, user=[*hard, *world.as_user()])


def allow_port_reuse(*namespaces):
    """So that no namespace runs out of ports by connections that have ended: a connect(2) takes
    milliseconds when most of them are in TIME_WAIT.
    """
    for ns in namespaces:
        probes.sysctl(ns, tcp_max_tw_buckets=64)


def hold_idle(world, gate):
    """10,000 connections that nobody uses; who holds them, and the memory of the gate."""
    holder = begin(world, world.guest, flows.idle, w.INET4, MANY_PORT, IDLE, ready_line="holding")
    assert probes.descriptors(gate.pid) >= IDLE
    return holder, probes.memory_kib(gate.pid)


def let_go(gate, holder, before):
    holder.kill()
    w.wait_until(lambda: probes.descriptors(gate.pid) <= before, "the descriptors to go", 60)


@native_only    # libslirp asks about every one of its sockets at every turn
def test_10000_idle_connections_and_a_busy_one(rootless_world):
    """1 KiB for each idle connection, not a byte of the busy one wrong, nothing left behind."""
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    probes.serve(world, world.inet, flows.echo_server, w.INET4, MANY_PORT)
    gate = start_large(world, "--mtu=65520", *CONFINED)
    allow_port_reuse(world.guest, world.host, world.inet)
    probes.assert_works(world)
    descriptors, memory = probes.descriptors(gate.pid), probes.memory_kib(gate.pid)
    holder, held = hold_idle(world, gate)
    assert held - memory <= IDLE
    for transfer in peers.upload, peers.download:
        assert peer(world, world.guest, transfer, w.INET4, PORT, 64 * MIB) == \
            peers.stream_digest(64 * MIB)
    probes.assert_idle(gate.pid)
    let_go(gate, holder, descriptors)
    holder, held_again = hold_idle(world, gate)
    assert held_again - memory <= IDLE + 2048
    let_go(gate, holder, descriptors)
    assert not probes.errors(gate)


@native_only    # what libslirp keeps of each connection that has ended is its own affair
@pytest.mark.parametrize("how", ["client", "server", "reset"])
def test_connections_that_come_and_go(rootless_world, how):
    """Flat descriptors and memory, whoever ends the connections."""
    world = rootless_world
    probes.serve(world, world.inet, flows.echo_server, w.INET4, MANY_PORT)
    gate = start_large(world, *CONFINED)
    allow_port_reuse(world.guest, world.host, world.inet)
    descriptors = probes.descriptors(gate.pid)
    assert peer(world, world.guest, flows.churn, w.INET4, MANY_PORT, CHURN // 2, how,
                timeout=PATIENCE_S) == CHURN // 2
    memory = probes.memory_kib(gate.pid)
    assert peer(world, world.guest, flows.churn, w.INET4, MANY_PORT, CHURN // 2, how,
                timeout=PATIENCE_S) == CHURN // 2
    w.wait_until(lambda: probes.memory_kib(gate.pid) - memory <= LEFT_KIB[how],
                 "the buffers of a crowded moment to go back")
    w.wait_until(lambda: probes.descriptors(gate.pid) <= descriptors + 2, "the descriptors to go")
    assert not probes.errors(gate)


def test_slow_reader_in_the_guest(world):
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    got = peer(world, world.guest, flows.slow_read, w.INET4, PORT, MIB, SLOW_S)
    assert got == peers.stream_digest(got["bytes"])
    assert got["bytes"] >= MIB


def test_slow_reader_on_the_host(world):
    probes.serve(world, world.inet, flows.flow_server, w.INET4, PORT, flows.SMALL_BUFFER)
    world.start_tap("--mtu=65520", *CONFINED)
    size = 64 * MIB if FULL else 4 * MIB
    assert peer(world, world.guest, flows.send_to, w.INET4, PORT, "sip", size) == \
        peers.stream_digest(size)


def test_slow_writers(world):
    """A byte at a time, in both directions."""
    probes.serve_inet(world, w.INET4)
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, flows.slow_write, w.INET4, PORT, 500, SLOW_S) == [0, True]


@native_only    # libslirp has no probe: the guest's own answers move it
def test_reader_in_the_guest_that_stops(world):
    """Its window is shut and probed; then it reads, and nothing is missing."""
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    reader = begin(world, world.guest, flows.read_when_told, w.INET4, PORT, 16 * MIB,
                   ready_line="ready")
    w.wait_until(lambda: probes.counter(world.guest, "TCPToZeroWindowAdv"), "a shut window")
    segments = probes.counter(world.guest, "InSegs")
    w.wait_until(lambda: probes.counter(world.guest, "InSegs") >= segments + 3, "three probes")
    reader.send_signal(signal.SIGUSR1)
    assert finish(reader) == peers.stream_digest(16 * MIB)


def test_reader_on_the_host_that_stops(world):
    """The guest probes the window that we have shut; then it opens, and nothing is missing."""
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    writer = begin(world, world.guest, flows.send_to, w.INET4, PORT, "sink_when_told", 16 * MIB)
    w.wait_until(lambda: probes.counter(world.guest, "TCPWinProbe") >= 3, "three probes")
    with_note = peer(world, world.host, peers.ended, w.INET4, PORT, "leave_note")
    assert with_note == "eof"
    assert finish(writer) == peers.stream_digest(16 * MIB)


@pytest.mark.parametrize("client", [peers.duplex, flows.greedy])
def test_echo_of_much_on_one_connection(rootless_world, client):
    """Both directions full at once, by a client that reads meanwhile and by one that does not."""
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    assert peer(world, world.guest, client, w.INET4, PORT, ECHO_BYTES, timeout=PATIENCE_S) == \
        peers.stream_digest(ECHO_BYTES)


def test_200_transfers_at_once(rootless_world):
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    size = MIB if FULL else MIB // 4
    ways = [begin(world, world.guest, flows.bulk, w.INET4, PORT, way, 100, size)
            for way in ("up", "down")]
    assert [finish(way) for way in ways] == [[peers.stream_digest(size)]] * 2

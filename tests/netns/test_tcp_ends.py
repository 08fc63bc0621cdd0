"""How TCP connections end, by whoever is killed; and guests that talk a plainer TCP."""
import signal

import pytest

import flows
import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer

pytestmark = pytest.mark.usefixtures("stack")

MIB = 1 << 20

native_only = pytest.mark.parametrize("stack", ["native"], indirect=True)


def end_of_killed_server(world, ns, unread):
    """What a client in this namespace sees when its server is killed."""
    server = probes.serve(world, world.inet, flows.flow_server, w.INET4)
    client = begin(world, ns, flows.await_end, w.INET4, PORT, unread, ready_line="ready")
    w.wait_until(lambda: received(world.inet) >= unread, "the bytes to arrive")
    server.kill()
    server.wait()
    return finish(client)


def received(ns):
    """Bytes that wait in the sockets of a namespace for somebody to read them."""
    lines = ns.run("ss", "-tnH", "state", "established").stdout.splitlines()
    return sum(int(line.split()[0]) for line in lines)


@pytest.mark.parametrize("unread,seen", [(0, "eof"), (1 << 16, "ECONNRESET")])
def test_killed_server(world, unread, seen):
    """As on the host: an end of file, or a reset where it had not read everything."""
    assert end_of_killed_server(world, world.host, unread) == seen
    world.start_tap(*CONFINED)
    assert end_of_killed_server(world, world.guest, unread) == seen


def end_of_killed_client(world, ns, unread):
    client = begin(world, ns, flows.be_killed, w.INET4, PORT, int(unread), ready_line="ready")
    client.kill()
    return peer(world, world.host, peers.ask, w.INET4, PORT, "note")


@pytest.mark.parametrize("unread,seen", [(False, "eof"), (True, "reset")])
def test_killed_program_in_the_guest(world, stack, unread, seen):
    """libslirp passes a reset on as an end of file."""
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    assert end_of_killed_client(world, world.host, unread) == seen
    world.start_tap(*CONFINED)
    assert end_of_killed_client(world, world.guest, unread) == \
        (seen if stack == "native" else "eof")


@native_only    # libslirp passes a reset on as an end of file
@pytest.mark.parametrize("address", [w.INET4, w.INET6])
def test_reset_by_the_guest_is_a_reset(world, stack, address):
    probes.serve_inet(world, address)
    start(world, address)
    assert peer(world, world.guest, peers.end_by, address, PORT, "reset") == "reset"


def start(world, address, *options):
    """Start with whatever this address needs; the address of the guest is there."""
    if ":" not in address:
        return world.start_tap(*options, *CONFINED)
    world.guest.run("sh", "-c", "cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && "
                    "echo 0 >router_solicitation_delay")
    gate = world.start_tap("-6", *options, *CONFINED)
    w.wait_until(lambda: world.guest.ip("-6", "route", "show", "default"), "router advertisement")
    return gate


@pytest.mark.parametrize("address", [w.INET4, w.INET6])
def test_ends_in_both_families(world, address):
    """Either half first, and a reset by the server."""
    probes.serve_inet(world, address)
    start(world, address)
    digest = peers.stream_digest(MIB)
    assert peer(world, world.guest, peers.late, address, PORT, MIB) == digest
    assert peer(world, world.guest, peers.first, address, PORT, MIB) == [digest] * 2
    assert peer(world, world.guest, peers.ended, address, PORT, "reset") == "ECONNRESET"


@native_only    # libslirp never notices
def test_server_that_is_no_longer_heard(world, stack):
    """The host's socket gives up (ETIMEDOUT); the guest's connection ends with it."""
    probes.serve_inet(world, w.INET4)
    probes.sysctl(world.host, tcp_retries2=1)
    world.start_tap(*CONFINED)
    writer = begin(world, world.guest, flows.write_until_end, w.INET4, PORT, ready_line="ready")
    world.inet.run("nft", "add table inet deaf; add chain inet deaf input { type filter hook input "
                   "priority 0; policy drop; }")
    assert finish(writer) == "ECONNRESET"


def test_keepalive_by_the_guest_is_answered(world):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*CONFINED)
    client = begin(world, world.guest, flows.keep_alive, w.INET4, PORT, ready_line="ready")
    w.wait_until(lambda: probes.counter(world.guest, "TCPKeepAlive") >= 3, "three probes")
    client.send_signal(signal.SIGUSR1)
    assert finish(client) == "alive"


@native_only    # libslirp loses a byte now and then
@pytest.mark.parametrize("client", [flows.send_urgent, flows.read_urgent])
def test_urgent_data_come_in_line(world, stack, client):
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, client, w.INET4, PORT) == "abc"


# --- the tap under a connection ---


def test_removed_tap_ends_the_connections(world, stack):
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    gate = world.start_tap(*CONFINED)
    begin(world, world.guest, flows.be_killed, w.INET4, PORT, ready_line="ready")
    world.guest.run("ip", "link", "del", "tap0")
    assert gate.wait() == 1
    assert peer(world, world.host, peers.ask, w.INET4, PORT, "note") == \
        ("reset" if stack == "native" else "eof")


@pytest.mark.parametrize("way", ["up", "down"])
def test_tap_that_goes_down_under_a_transfer(rootless_world, way):
    """What is lost meanwhile is sent again."""
    world, size = rootless_world, 128 * MIB
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    client = begin(world, world.guest, flows.bulk, w.INET4, PORT, way, 1, size)
    wait_for_bytes(world, MIB)
    world.guest.run("ip", "link", "set", "tap0", "down")
    world.guest.run("ip", "link", "set", "tap0", "up")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY4)
    assert finish(client) == [peers.stream_digest(size)]


def wait_for_bytes(world, count):
    """Wait until a transfer is in full flow."""
    def moved():
        link, = world.guest.ip("-s", "link", "show", "tap0")
        return link["stats64"]["rx"]["bytes"] + link["stats64"]["tx"]["bytes"] > count
    w.wait_until(moved, "a transfer in full flow")


@pytest.mark.parametrize("way", ["up", "down"])
def test_mtu_that_changes_under_a_transfer(rootless_world, way):
    """The guest makes its link narrower and wider; the gate is not told."""
    world, size = rootless_world, 128 * MIB
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *CONFINED)
    client = begin(world, world.guest, flows.bulk, w.INET4, PORT, way, 2, size)
    wait_for_bytes(world, MIB)
    for mtu in 1500, 576, 9000:
        world.guest.run("ip", "link", "set", "tap0", "mtu", mtu)
        probes.assert_works(world)
    assert finish(client) == [peers.stream_digest(size)]


# --- guests that talk a plainer TCP ---


PLAIN = {
    "no window scaling": {"tcp_window_scaling": 0},
    "no selective acknowledgements": {"tcp_sack": 0},
    "no timestamps": {"tcp_timestamps": 0},
    "nothing": {"tcp_window_scaling": 0, "tcp_sack": 0, "tcp_timestamps": 0},
    "small buffers": {"tcp_rmem": "4096 4096 4096", "tcp_wmem": "4096 4096 4096"},
}


@pytest.mark.parametrize("address", [w.INET4, w.INET6])
@pytest.mark.parametrize("settings", PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("mtu", [1500, 65520])
def test_plain_guest(rootless_world, address, settings, mtu):
    world, size = rootless_world, 4 * MIB
    probes.serve_inet(world, address)
    probes.sysctl(world.guest, **settings)
    start(world, address, f"--mtu={mtu}")
    for way in "up", "down":
        assert peer(world, world.guest, flows.bulk, address, PORT, way, 4, size) == \
            [peers.stream_digest(size)]

"""TCP through the gate: every byte in both directions, every way to begin and to end."""
import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer

pytestmark = pytest.mark.usefixtures("stack")

MIB = 1 << 20
ECHO_BYTES = 16 * MIB


def transfer_both_ways(world, size):
    for program in (peers.upload, peers.download):
        assert peer(world, world.guest, program, w.INET4, PORT, size) == peers.stream_digest(size)


@pytest.mark.parametrize("mtu", [1280, 1500, 9000, 65520])
def test_bulk_is_byte_exact(rootless_world, mtu):
    probes.serve_inet(rootless_world, w.INET4)
    rootless_world.start_tap(f"--mtu={mtu}", *CONFINED)
    transfer_both_ways(rootless_world, 256 * MIB)


@pytest.mark.parametrize("mtu", [1280, 1500, 9000, 65520])
def test_bulk_is_byte_exact_as_root(rootful_world, mtu):
    probes.serve_inet(rootful_world, w.INET4)
    rootful_world.start_tap(f"--mtu={mtu}")
    transfer_both_ways(rootful_world, 16 * MIB)


def test_bulk_at_the_least_mtu(rootless_world):
    """The guest fragments its TCP here."""
    probes.serve_inet(rootless_world, w.INET4)
    rootless_world.start_tap("--mtu=68", *CONFINED)
    transfer_both_ways(rootless_world, 4 * MIB)


@pytest.mark.parametrize("mtu", [1500, 65520])
def test_full_duplex_echo(world, mtu):
    probes.serve_inet(world, w.INET4)
    world.start_tap(f"--mtu={mtu}", *CONFINED)
    assert peer(world, world.guest, peers.duplex, w.INET4, PORT, ECHO_BYTES) == \
        peers.stream_digest(ECHO_BYTES)


def test_upload_and_download_at_the_same_time(world, confinement):
    """Neither direction starves the other: both end, whichever is the faster."""
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=65520", *confinement)
    flows = [begin(world, world.guest, program, w.INET4, PORT, 32 * MIB)
             for program in (peers.upload, peers.download) * 2]
    assert [finish(flow) for flow in flows] == [peers.stream_digest(32 * MIB)] * 4


def test_client_closes_its_half_first(world, confinement):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.late, w.INET4, PORT, MIB) == peers.stream_digest(MIB)


def test_server_closes_its_half_first(world, confinement):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.first, w.INET4, PORT, MIB) == \
        [peers.stream_digest(MIB)] * 2


def test_reset_by_the_server_reaches_the_guest(world, confinement):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.ended, w.INET4, PORT, "reset") == "ECONNRESET"


@pytest.mark.parametrize("how,seen", [("eof", ["eof"]), ("reset", ["reset", "eof"])])
def test_end_by_the_guest_reaches_the_server(world, confinement, how, seen):
    """libslirp passes a reset on as an end of file."""
    probes.serve_inet(world, w.INET4)
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.end_by, w.INET4, PORT, how) in seen


def test_refused_connection_is_refused_in_the_guest(world, confinement):
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.connect, w.INET4, 9) == "ECONNREFUSED"
    assert peer(world, world.guest, peers.connect, w.GATEWAY4, 9) == "ECONNREFUSED"


def test_unreachable_network_is_unreachable_in_the_guest(world):
    """The host namespace has no route to 198.51.100.0/24."""
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.connect, "198.51.100.1", PORT) == "ENETUNREACH"


def test_gateway_is_the_loopback_of_the_host(world):
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1")
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.ask, w.GATEWAY4, PORT, "peer") == "127.0.0.1"


def test_500_connections_at_once(rootless_world):
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.many, w.INET4, PORT, 500) == 500
    probes.assert_works(world)


def test_soft_descriptor_limit_is_raised_to_the_hard_one(world):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*CONFINED, user=[*world.as_user(), "prlimit", "--nofile=64:4096", "--"])
    assert peer(world, world.guest, peers.many, w.INET4, PORT, 100) == 100


def test_unknown_stack_is_refused(rootful_world, monkeypatch):
    monkeypatch.setenv("GATE4NETNS_TCP", "fast")
    gate = rootful_world.start_tap(wait=False)
    assert gate.wait() == 1
    assert gate.stderr() == 'GATE4NETNS_TCP must be "native" or "slirp", not "fast"\n'

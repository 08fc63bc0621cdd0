"""What of the host the guest may use, and which of its addresses it speaks from."""
import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, peer

pytestmark = pytest.mark.usefixtures("stack")

SECOND4, SECOND6 = "192.0.2.101", "2001:db8::101"       # further addresses of up0
OTHER4, OTHER6 = "203.0.113.1", "2001:db8:1::1"         # the addresses of another interface


def serve_host(world, address="0.0.0.0"):
    for program in (peers.tcp_server, peers.udp_server):
        probes.serve(world, world.host, program, address)


# --- --disable-host-loopback ---


def test_closed_loopback(world, confinement):
    """The gateway is unreachable at once; the address that others know the host by is not."""
    serve_host(world)
    probes.serve_inet(world, w.INET4)
    world.start_tap("--disable-host-loopback", *confinement)
    assert peer(world, world.guest, peers.connect, w.GATEWAY4, PORT) == "ENETUNREACH"
    assert peer(world, world.guest, peers.ask, w.HOST4, PORT, "peer") == w.HOST4
    probes.assert_works(world)


def test_closed_loopback_for_udp(world):
    """What was sent to the gateway before a datagram that arrived has not arrived."""
    serve_host(world)
    world.start_tap("--disable-host-loopback", *CONFINED)
    assert peer(world, world.guest, peers.udp_send, w.GATEWAY4, PORT, "blocked", 0.1) != "echoed"
    assert peer(world, world.guest, peers.udp_send, w.HOST4, PORT, "allowed", 20) == "echoed"
    assert peer(world, world.guest, peers.udp_ask, w.HOST4, PORT, "log") == ["allowed"]


def test_closed_loopback_still_answers_ping(world):
    world.start_tap("--disable-host-loopback", *CONFINED)
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)


# --- --disable-dns ---


def count_leaks(world, address):
    """Give the host a route for an address, and count what leaves for it."""
    world.host.run("ip", "route", "add", "default", "via", w.INET4)
    world.inet.run("ip", "addr", "add", f"{address}/32", "dev", "lo")
    world.host.run("nft", "-f", "-", input=f"""table inet leaks {{
        counter leaked {{
        }}
        chain out {{
            type filter hook output priority 0
            ip daddr {address} counter name leaked
        }}
    }}
    """)

    def leaked():
        text = world.host.run("nft", "list", "counter", "inet", "leaks", "leaked").stdout
        return int(text.split("packets")[1].split()[0])
    return leaked


def serve_dns_address(world):
    """A TCP and a UDP server where a query that leaks would arrive."""
    for program in (peers.tcp_server, peers.udp_server):
        probes.serve(world, world.inet, program, "0.0.0.0", 53)


def test_leak_counter_counts(world):
    """The counter of the next test does see what the guest sends to other addresses."""
    serve_dns_address(world)
    leaked = count_leaks(world, "10.77.0.1")
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.connect, "10.77.0.1", 53) == "connected"
    assert leaked() > 0


def test_disabled_dns_is_silent_and_leaks_nothing(world, confinement):
    serve_dns_address(world)
    leaked = count_leaks(world, w.DNS4)
    world.start_tap("--disable-dns", *confinement)
    assert peer(world, world.guest, peers.connect, w.DNS4, 53, 0.5) == "timeout"
    assert peer(world, world.guest, peers.udp_send, w.DNS4, 53, "query", 0.2) == "timeout"
    assert leaked() == 0
    assert peer(world, world.guest, peers.ask, w.INET4, 53, "peer") == w.HOST4


def test_address_of_nobody_in_the_guests_network_leaks_nothing(world):
    """10.0.2.77 belongs to the guest's network; the host has no business with it."""
    serve_dns_address(world)
    leaked = count_leaks(world, "10.0.2.77")
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.udp_send, "10.0.2.77", 53, "query", 0.2) != "echoed"
    assert peer(world, world.guest, peers.ask, w.INET4, 53, "peer") == w.HOST4
    assert leaked() == 0


# --- --outbound-addr, --outbound-addr6 ---


@pytest.fixture
def addresses(world):
    """Several addresses of the host, all of which the inet namespace can answer to."""
    world.host.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    world.host.run("ip", "link", "set", "other1", "up")
    for dev, a4, a6 in (("up0", SECOND4, SECOND6), ("other0", OTHER4, OTHER6)):
        world.host.run("ip", "link", "set", dev, "up")
        world.host.run("ip", "addr", "add", f"{a4}/24", "dev", dev)
        world.host.run("ip", "addr", "add", f"{a6}/64", "dev", dev, "nodad")
    world.inet.run("ip", "route", "add", f"{OTHER4}/32", "via", w.HOST4)
    world.inet.run("ip", "route", "add", f"{OTHER6}/128", "via", w.HOST6)
    mac = world.host.ip("link", "show", "up0")[0]["address"]
    world.inet.run("ip", "neigh", "replace", SECOND6, "lladdr", mac, "dev", "inet0")
    probes.serve_inet(world)


@pytest.mark.parametrize("value,seen", [(SECOND4, SECOND4), ("other0", OTHER4)])
def test_outbound_address(world, addresses, value, seen):
    world.start_tap(f"--outbound-addr={value}", *CONFINED)
    assert peer(world, world.guest, peers.ask, w.INET4, PORT, "peer") == seen
    assert peer(world, world.guest, peers.udp_ask, w.INET4, PORT, "peer") == seen


@pytest.mark.parametrize("value,seen", [(SECOND6, SECOND6), ("other0", OTHER6)])
def test_outbound_address_ipv6(world, addresses, value, seen):
    """The interface form needs no --outbound-addr beside it."""
    world.start_tap("-6", f"--outbound-addr6={value}", *CONFINED)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY6)
    assert peer(world, world.guest, peers.ask, w.INET6, PORT, "peer") == seen
    assert peer(world, world.guest, peers.udp_ask, w.INET6, PORT, "peer") == seen
    assert peer(world, world.guest, peers.ask, w.INET4, PORT, "peer") == w.HOST4


def test_outbound_addresses_of_both_families(world, addresses):
    world.start_tap("-6", "--outbound-addr=other0", f"--outbound-addr6={SECOND6}", *CONFINED)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY6)
    assert peer(world, world.guest, peers.ask, w.INET4, PORT, "peer") == OTHER4
    assert peer(world, world.guest, peers.ask, w.INET6, PORT, "peer") == SECOND6

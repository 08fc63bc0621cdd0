"""IPv6 (-6): the guest configures itself from router advertisements and reaches the internet."""
import json
import socket
import struct

import pytest

import frames
import peers
import probes
import world as w
from frames import TCP, ethernet
from probes import CONFINED, PORT, peer

pytestmark = pytest.mark.usefixtures("stack")

MIB = 1 << 20
ETH_IP6 = 0x86dd
SYNS = 100


def quick_autoconfiguration(ns):
    """What podman does, and no random wait before the solicitation."""
    ns.run("sh", "-c", "cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && "
           "echo 0 >router_solicitation_delay")


def global_addresses(ns):
    return [a["local"] for link in ns.ip("-6", "addr", "show", "dev", "tap0", "scope", "global")
            for a in link.get("addr_info", []) if "local" in a and "tentative" not in a]


def default_routes(ns):
    return ns.ip("-6", "route", "show", "default")


def start_tap6(world, *options):
    """Start with -6 and wait until the guest has configured itself."""
    quick_autoconfiguration(world.guest)
    gate = world.start_tap("-6", *options)
    w.wait_until(lambda: global_addresses(world.guest) and default_routes(world.guest),
                 "router advertisement")
    return gate


def eui64(mac):
    """The interface identifier that the kernel derives from a MAC address."""
    m = [int(byte, 16) for byte in mac.split(":")]
    return f"{(m[0] ^ 2) << 8 | m[1]:x}:{m[2] << 8 | 0xff:x}:{0xfe00 | m[3]:x}:{m[4] << 8 | m[5]:x}"


def test_address_and_route_by_advertisement(world):
    start_tap6(world, *CONFINED)
    mac = world.guest.ip("link", "show", "tap0")[0]["address"]
    assert global_addresses(world.guest) == [f"fd00::{eui64(mac)}"]
    route, = default_routes(world.guest)
    assert (route["gateway"], route["protocol"]) == ("fe80::2", "ra")


def test_address_follows_the_mac(world):
    start_tap6(world, "--macaddress=02:11:22:33:44:55")
    assert global_addresses(world.guest) == ["fd00::11:22ff:fe33:4455"]


def test_nothing_is_advertised_without_the_option(world):
    """IPv4 works, and no answer to a solicitation has come by the time that a ping has failed."""
    quick_autoconfiguration(world.guest)
    world.start_tap()
    assert world.guest.run("ping", "-6", "-c1", "-W1", "fe80::2%tap0", check=False).returncode
    assert (global_addresses(world.guest), default_routes(world.guest)) == ([], [])


def ip6_syn(destination, sport):
    """A SYN to PORT there, from an address that a guest with IPv6 would have."""
    source, target = (socket.inet_pton(socket.AF_INET6, a) for a in ("fd00::64", destination))
    head = struct.pack(">HHIIBBHHH", sport, PORT, 1, 0, 0x50, 2, 0xffff, 0, 0)
    sum_of = frames.checksum(source + target + struct.pack(">II", len(head), TCP) + head)
    head = head[:16] + struct.pack(">H", sum_of) + head[18:]
    return ethernet(ETH_IP6, struct.pack(">IHBB", 6 << 28, len(head), TCP, 64) + source + target + head)


def wait_ignored(path, count):
    """Wait until the gate has ignored that many frames; all its counters."""
    def look():
        now = w.api(path, "get_stats")["return"]
        return now if now["gate"]["ipv6_ignored"] >= count else None
    return w.wait_until(look, f"{count} frames of IPv6")


def test_handmade_frames_lead_nowhere_without_the_option(world, stack):
    """Neither they nor what every kernel says of its own accord are reported at the end."""
    probes.serve_inet(world)
    path = world.tmp / "api.sock"
    gate = world.start_tap("-a", path, *CONFINED)
    wait_ignored(path, 1)
    sent = [ip6_syn(w.INET6, 4000 + n).hex() for n in range(SYNS)]
    assert peer(world, world.guest, peers.send_frames, "tap0", input=json.dumps(sent)) == SYNS
    now = wait_ignored(path, SYNS + 1)
    probes.assert_works(world)
    assert stack == "slirp" or now["tcp"]["opened"] + now["tcp"]["half_open"] == 0
    assert not world.inet.run("ss", "-tanH", f"dst [{w.HOST6}]").stdout
    assert gate.stop() == 0
    assert not [line for line in probes.errors(gate) if "dropped" in line]


def test_tcp(world, confinement):
    probes.serve_inet(world, w.INET6)
    start_tap6(world, *confinement)
    for program in (peers.upload, peers.download, peers.duplex):
        assert peer(world, world.guest, program, w.INET6, PORT, 16 * MIB) == \
            peers.stream_digest(16 * MIB)


def test_udp(world):
    probes.serve_inet(world, w.INET6)
    start_tap6(world, *CONFINED)
    sizes = [1, 512, 1400]
    assert peer(world, world.guest, peers.udp_echo, w.INET6, PORT, *sizes) == sizes
    assert peer(world, world.guest, peers.udp_ask, w.INET6, PORT, "peer") == w.HOST6


def test_refused(world):
    start_tap6(world, *CONFINED)
    assert peer(world, world.guest, peers.connect, w.INET6, 9) == "ECONNREFUSED"


def test_gateway_is_the_loopback_of_the_host(world):
    probes.serve(world, world.host, peers.tcp_server, "::1")
    start_tap6(world, *CONFINED)
    assert peer(world, world.guest, peers.ask, w.GATEWAY6, PORT, "peer") == "::1"


def test_closed_loopback(world):
    """fd00::2 is closed, the host's real address stays open."""
    probes.serve(world, world.host, peers.tcp_server, "::")
    start_tap6(world, "--disable-host-loopback", *CONFINED)
    assert peer(world, world.guest, peers.connect, w.GATEWAY6, PORT) == "ENETUNREACH"
    assert peer(world, world.guest, peers.ask, w.HOST6, PORT, "peer") == w.HOST6


@pytest.mark.parametrize("target", [w.GATEWAY6, "fe80::2%tap0"])
def test_gateway_answers_ping(world, target):
    start_tap6(world, *CONFINED)
    world.guest.run("ping", "-c1", "-W5", target)


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dns(world, transport):
    world.spawn(world.inet, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces",
                "--except-interface=lo", f"--listen-address={w.INET6}",
                "--address=/gate.test/198.51.100.6", ready_line="started")
    world.set_nameservers(w.INET6)
    start_tap6(world, *CONFINED)
    done = world.guest.run("dig", "+short", "+time=5", transport, f"@{w.DNS6}", "gate.test")
    assert done.stdout.strip() == "198.51.100.6"

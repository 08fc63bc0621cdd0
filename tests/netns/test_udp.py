"""Our own UDP and libslirp's beside each other, and what counts in either: test_udp_world.py has the rest."""
import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, peer

FAMILIES = pytest.mark.parametrize("inet,gateway,loopback", [
    (w.INET4, w.GATEWAY4, "127.0.0.1"), (w.INET6, w.GATEWAY6, "::1")])
CLOSED_PORT = PORT + 9
ASK_FOR_ERROR = """
import errno, socket, sys
address, port = sys.argv[1:]
level, option = (socket.IPPROTO_IPV6, 25) if ":" in address else (socket.IPPROTO_IP, 11)
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(level, option, 1)
    sock.settimeout(20)
    sock.connect((address, int(port)))
    sock.send(b"x")
    try:
        print(sock.recv(1))
    except OSError as e:
        print(errno.errorcode[e.errno])
"""
ANSWER_WITH_HOP_LIMIT = """
import socket, struct, sys
address, port = sys.argv[1:]
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    sock.bind((address, int(port)))
    print("listening", flush=True)
    while True:
        _, ancillary, _, sender = sock.recvmsg(64, 64)
        sock.sendto(b"%d" % struct.unpack("i", ancillary[0][2]), sender)
"""


def start(world, *options):
    """A guest with an address of each family, and the counters of its UDP."""
    api = world.tmp / "api"
    world.start_tap("-6", "-a", api, *CONFINED, *options)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "replace", "default", "via", w.GATEWAY6, "dev", "tap0")
    return lambda: w.api(api, "get_stats")["return"].get("udp")


@pytest.mark.parametrize("udp", ["native", "slirp"])
@pytest.mark.parametrize("tcp", ["native", "slirp"])
def test_each_stack_beside_each(world, tcp, udp):
    probes.serve_inet(world, w.INET4)
    counters = start(world, f"--tcp={tcp}", f"--udp={udp}")
    assert peer(world, world.guest, peers.ask, w.INET4, PORT, "peer") == w.HOST4
    assert peer(world, world.guest, peers.udp_echo, w.INET4, PORT, 1, 9000) == [1, 9000]
    assert (counters() is None) == (udp == "slirp")


def test_environment_chooses(world, monkeypatch):
    monkeypatch.setenv("GATE4NETNS_UDP", "slirp")
    assert start(world)() is None


@FAMILIES
def test_one_binding_carries_both_ways(world, inet, gateway, loopback):
    """Of nothing, of one byte, of the largest that IPv4 has: as many there as back, by one port."""
    sizes = [0, 1, 1472, 65507]
    probes.serve_inet(world, inet)
    counters = start(world, "--mtu=65520")
    assert peer(world, world.guest, peers.udp_echo, inet, PORT, *sizes) == sizes
    now = counters()
    assert now["datagrams_to_host"] == now["datagrams_to_guest"] == len(sizes)
    assert now["bytes_to_host"] == now["bytes_to_guest"] == sum(sizes)
    assert now["bindings"] == now["opened"] == len(sizes)       # the client takes a new port each time


def test_hop_limit_is_the_guests(world):
    """The host's interfaces have another one, as a router may tell them."""
    world.host.run("sh", "-c", "for at in /proc/sys/net/ipv6/conf/*/hop_limit; do echo 200 >$at; done")
    world.spawn(world.inet, "python3", "-c", ANSWER_WITH_HOP_LIMIT, w.INET6, PORT, ready_line="listening")
    start(world)
    assert peer(world, world.guest, peers.udp_ask, w.INET6, PORT, "hops") == 64


@FAMILIES
def test_gateway_is_the_loopback_of_the_host(world, inet, gateway, loopback):
    probes.serve(world, world.host, peers.udp_server, loopback)
    start(world)
    assert peer(world, world.guest, peers.udp_ask, gateway, PORT, "peer") == loopback
    assert peer(world, world.guest, peers.udp_send, gateway, CLOSED_PORT, "x", 20) == "ECONNREFUSED"


@FAMILIES
def test_closed_loopback_is_said(world, inet, gateway, loopback):
    """Whoever wants to know hears that the network is unreachable (IP_RECVERR, IPV6_RECVERR)."""
    probes.serve(world, world.host, peers.udp_server, loopback)
    counters = start(world, "--disable-host-loopback")
    told = world.guest.run("python3", "-c", ASK_FOR_ERROR, gateway, PORT)
    assert told.stdout.strip() == "ENETUNREACH"
    assert counters()["drops"]["unreachable"] == counters()["errors"] == 1


def test_groups_go_nowhere(world):
    """What goes to everybody is counted, and makes no socket."""
    counters = start(world)
    for address in "224.0.0.251", "ff0e::fb":
        world.guest.run("python3", "-c", "import socket, sys\n"
                        "address, = socket.getaddrinfo(sys.argv[1], 5353, type=socket.SOCK_DGRAM)\n"
                        "with socket.socket(address[0], socket.SOCK_DGRAM) as sock:\n"
                        "    sock.sendto(b'who', address[4])", address)
    w.wait_until(lambda: counters()["drops"]["multicast"] == 2, "two datagrams to groups")
    assert counters()["bindings"] == 0


@pytest.mark.parametrize("option,text", [
    ("--udp=fast", '--udp must be "native" or "slirp", not "fast"'),
    ("--udp-filter=all", '--udp-filter must be "endpoint", "address" or "none", not "all"'),
    ("--udp-bindings=0", "udp-bindings must be a number from 1 to 1000000"),
    ("--udp-timeout=0", "udp-timeout must be a number from 1 to 86400")])
def test_options_are_checked(rootless_world, option, text):
    gate = rootless_world.start_tap(option, ready=False)
    assert gate.wait() == 1
    assert text in gate.stderr() + gate.stdout()

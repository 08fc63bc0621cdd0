"""Published ports between three hosts: who is seen by whom, both protocols and families.

The third host is the inet namespace; the second is the host that publishes, with more addresses than
one; the first is the guest, whose server says whom it sees.
"""
import contextlib
import signal

import pytest

import flows
import hosts
import peers
import port_peers
import probes
import udp_peers
import world as w
from probes import CONFINED, FULL, PORT, begin, finish, peer

HOST_PORT, LIVE_PORT = 8080, 7100
BURST, AT_ONCE = 10000, 1000
RATE, SECONDS = 2000, 60 if FULL else 2
DESCRIPTORS = 20000
NARROW = 1300
# What may be left of the connections of half the time: buffers, and flows in TIME_WAIT
LEFT_KIB = 2048
SERVER = {"tcp": port_peers.server, "udp": udp_peers.udp_server}
PROTOCOLS = pytest.mark.parametrize("proto", ["tcp", "udp"])
FAMILIES = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(autouse=True)
def native_stacks(monkeypatch):
    """Our own TCP and UDP."""
    for name in "TCP", "UDP":
        monkeypatch.setenv(f"GATE4NETNS_{name}", "native")


@pytest.fixture
def sock(world):
    return world.tmp / "api.sock"


def start(world, sock, *options, **kw):
    return hosts.start(world, "-a", sock, *CONFINED, *options, **kw)


def serve_guest(world, version, *protocols):
    return [probes.serve(world, world.guest, SERVER[proto], hosts.ANY[version])
            for proto in protocols]


def assert_seen(world, ns, proto, address, as_whom):
    """The server sees this address and the client's own port; the answer comes from where the client
    has asked, also where its socket takes no other.
    """
    told = peer(world, ns, port_peers.endpoint, proto, address, HOST_PORT)
    assert told == {"port": told["port"], "seen": [as_whom, told["port"]],
                    "from": [address, HOST_PORT]}
    if proto == "udp":
        assert peer(world, ns, port_peers.connected_echo, address, HOST_PORT) == "x"


# --- who is seen ---


@FAMILIES
@PROTOCOLS
def test_who_is_seen(world, sock, proto, version):
    """Clients on the host's loopback, on its other addresses, and on another host, in an order that
    has each kind after each other kind.
    """
    hosts.multi_homed(world)
    start(world, sock)
    serve_guest(world, version, proto)
    hosts.publish(sock, version, proto)
    loopback, lan, other, outside = (
        (world.host, hosts.LOOPBACK[version], hosts.GATEWAY[version]),
        (world.host, hosts.HOST[version], hosts.HOST[version]),
        (world.host, hosts.SIDE[version], hosts.SIDE[version]),
        (world.inet, hosts.HOST[version], hosts.INET[version]))
    for ns, address, as_whom in (loopback, outside, loopback, lan, outside, other, lan, loopback):
        assert_seen(world, ns, proto, address, as_whom)


@FAMILIES
@PROTOCOLS
def test_answers_leave_from_the_published_address(world, sock, proto, version):
    """Of a host with several: its first one, a second one on the link, one of another interface."""
    hosts.multi_homed(world)
    start(world, sock)
    serve_guest(world, version, proto)
    hosts.publish(sock, version, proto)
    for address in hosts.HOST[version], hosts.OTHER[version], hosts.SIDE[version]:
        assert_seen(world, world.inet, proto, address, hosts.INET[version])


@FAMILIES
@PROTOCOLS
def test_only_one_address_is_published(world, sock, proto, version):
    hosts.multi_homed(world)
    start(world, sock)
    serve_guest(world, version, proto)
    hosts.publish(sock, version, proto, host_addr=hosts.OTHER[version])
    assert_seen(world, world.inet, proto, hosts.OTHER[version], hosts.INET[version])
    refused = peer(world, world.inet, peers.connect, hosts.HOST[version], HOST_PORT) \
        if proto == "tcp" else \
        peer(world, world.inet, udp_peers.refused_in_time, hosts.HOST[version], HOST_PORT)
    assert refused == "ECONNREFUSED"


@PROTOCOLS
def test_loopback_clients_of_one_port(world, sock, proto):
    """Both appear as the gateway, each with a port of its own, and keep it."""
    start(world, sock)
    serve_guest(world, 4, proto)
    hosts.publish(sock, 4, proto)
    asked = peer(world, world.host, port_peers.same_port, proto, "127.0.0.1", HOST_PORT,
                 "127.0.0.1", "127.0.0.2")
    first, second = asked[0]
    assert first[0] == second[0] == w.GATEWAY4
    assert first[1] != second[1]
    assert all(again == asked[0] for again in asked)


def test_tcp_client_whose_endpoint_the_guest_talks_to(world, sock):
    """The guest has a connection from its port to an endpoint that now becomes a client of it: the
    client gets another port, and both connections live.
    """
    start(world, sock)
    hosts.publish(sock, 4)
    outside = begin(world, world.inet, port_peers.live_tcp_outside, w.INET4, LIVE_PORT, w.HOST4,
                    HOST_PORT, ready_line="listening")
    guest = begin(world, world.guest, port_peers.live_tcp_guest, w.INET4, LIVE_PORT, PORT,
                  ready_line="listening")
    outside.send_signal(signal.SIGUSR1)
    seen = finish(outside)
    assert seen[0] == w.INET4 and seen[1] != LIVE_PORT
    assert finish(guest) == [seen, True]


def test_udp_client_whose_endpoint_the_guest_talks_to(world, sock):
    """The guest's port is published while it talks to somebody, who becomes a client of it: both
    conversations go on, each with its own address and port of the host.
    """
    start(world, sock)
    outside = begin(world, world.inet, port_peers.live_udp_outside, w.INET4, LIVE_PORT, w.HOST4,
                    HOST_PORT, ready_line="listening")
    guest = begin(world, world.guest, port_peers.live_udp_guest, w.INET4, LIVE_PORT, PORT,
                  ready_line="listening")
    hosts.publish(sock, 4, "udp")
    outside.send_signal(signal.SIGUSR1)
    assert finish(outside) == [["0", [w.HOST4, HOST_PORT]], ["1", "greeter"],
                               ["2", [w.HOST4, HOST_PORT]], ["3", "greeter"]]
    seen = finish(guest)
    assert [text for text, _ in seen] == ["0", "1", "2", "3"]
    assert seen[0][1] == seen[2][1] and seen[1][1] == seen[3][1] == [w.INET4, LIVE_PORT]
    assert seen[0][1][0] == w.INET4 and seen[0][1] != seen[1][1]


# --- very many ---


def start_large(world, sock):
    """The limit of descriptors lets it have all of the connections; no namespace runs out of ports."""
    hard = ["prlimit", f"--nofile=1024:{DESCRIPTORS}", "--"]
    for ns in world.guest, world.host, world.inet:
        probes.sysctl(ns, tcp_max_tw_buckets=64)
    return start(world, sock, user=[*hard, *world.as_user()])


def test_10000_connections_in_a_burst(rootless_world):
    """As fast as 1,000 clients at a time can; every one of them is served."""
    world, sock = rootless_world, rootless_world.tmp / "api.sock"
    gate = start_large(world, sock)
    probes.serve(world, world.guest, flows.echo_server, "0.0.0.0")
    hosts.publish(sock, 4)
    before = probes.descriptors(gate.pid)
    assert peer(world, world.inet, port_peers.burst, w.HOST4, HOST_PORT, BURST, AT_ONCE) == \
        [BURST, []]
    w.wait_until(lambda: probes.descriptors(gate.pid) <= before, "the descriptors to go")
    assert not probes.errors(gate)


@pytest.mark.timeout(60 + 20 * SECONDS)
def test_2000_new_connections_a_second(rootless_world):
    """Descriptors and memory are flat."""
    world, sock = rootless_world, rootless_world.tmp / "api.sock"
    gate = start_large(world, sock)
    probes.serve(world, world.guest, flows.echo_server, "0.0.0.0")
    hosts.publish(sock, 4)

    def half():
        assert peer(world, world.inet, port_peers.steady, w.HOST4, HOST_PORT, RATE, SECONDS // 2,
                    timeout=60 + 10 * SECONDS) == [RATE * (SECONDS // 2), []]
    before = probes.descriptors(gate.pid)
    half()
    memory = probes.memory_kib(gate.pid)
    half()
    w.wait_until(lambda: probes.memory_kib(gate.pid) - memory <= LEFT_KIB, "memory to be flat")
    w.wait_until(lambda: probes.descriptors(gate.pid) <= before, "the descriptors to go")
    assert not probes.errors(gate)


def test_many_udp_clients_at_once(world, sock):
    """Each hears the answer to its own datagram."""
    start(world, sock)
    serve_guest(world, 4, "udp")
    hosts.publish(sock, 4, "udp")
    for ns, address in (world.inet, w.HOST4), (world.host, "127.0.0.1"):
        assert peer(world, ns, peers.udp_many, address, HOST_PORT, 200) == 200


@FAMILIES
def test_trains_through_a_published_port(world, sock, version):
    """Datagrams of one size that come together stay apart; so do those of the answer. One goes ahead:
    while the guest's MAC is asked for, only the newest is kept.
    """
    start(world, sock)
    serve_guest(world, version, "udp")
    hosts.publish(sock, version, "udp")
    assert peer(world, world.inet, port_peers.connected_echo, hosts.HOST[version], HOST_PORT) == "x"
    for items in ["1200:0"] * 20, ["1200:2"] * 7 + ["300:1", "0:0"] + ["1200:2"] * 7:
        assert peer(world, world.inet, udp_peers.train, hosts.HOST[version], HOST_PORT, *items)
    assert peer(world, world.inet, udp_peers.segmented, hosts.HOST[version], HOST_PORT, 1400, 40001)


def test_flood_of_a_published_port_stops_nobody(world, sock):
    start(world, sock)
    serve_guest(world, 4, "udp")
    probes.serve(world, world.inet, udp_peers.udp_server, w.INET4)
    hosts.publish(sock, 4, "udp")
    begin(world, world.inet, udp_peers.flood, w.HOST4, HOST_PORT, ready_line="flooding")
    assert peer(world, world.guest, udp_peers.patient, w.INET4, PORT, 20) == 0


# --- servers that are not there ---


@FAMILIES
@PROTOCOLS
def test_server_that_starts_later(world, sock, proto, version):
    """TCP is refused at once, datagrams are not answered; as soon as there is a server it is found."""
    start(world, sock)
    hosts.publish(sock, version, proto)
    for _ in range(3):
        if proto == "tcp":
            assert peer(world, world.inet, peers.ended, hosts.HOST[version], HOST_PORT, "peer") \
                == "ECONNRESET"
        else:
            with contextlib.suppress(AssertionError):   # silence, or an error: it is UDP
                peer(world, world.inet, peers.udp_send, hosts.HOST[version], HOST_PORT, "x", 0.1)
    serve_guest(world, version, proto)
    assert_seen(world, world.inet, proto, hosts.HOST[version], hosts.INET[version])


@FAMILIES
@pytest.mark.parametrize("program,ends", [
    (peers.pour, ["ECONNRESET", "EPIPE"]), (peers.drain, ["eof", "ECONNRESET"])])
def test_server_killed_in_the_middle(world, sock, version, program, ends):
    """The client learns it, and the port serves the next one as soon as there is a server again."""
    start(world, sock)
    server, = serve_guest(world, version, "tcp")
    hosts.publish(sock, version)
    client = begin(world, world.inet, program, hosts.HOST[version], HOST_PORT, ready_line="begun")
    server.kill()
    server.wait()
    assert finish(client) in ends
    assert peer(world, world.inet, peers.ended, hosts.HOST[version], HOST_PORT, "peer") == \
        "ECONNRESET"
    serve_guest(world, version, "tcp")
    assert_seen(world, world.inet, "tcp", hosts.HOST[version], hosts.INET[version])


@FAMILIES
def test_published_udp_of_every_size(world, sock, version):
    """From nothing to the largest, in fragments both ways."""
    start(world, sock)
    serve_guest(world, version, "udp")
    hosts.publish(sock, version, "udp")
    assert peer(world, world.inet, udp_peers.echo, hosts.HOST[version], HOST_PORT, 0, 1, 1472, 1473,
                9000, 65507) == []


@FAMILIES
def test_published_udp_over_a_narrow_link(world, sock, version):
    """The client is behind it: the answers find their size."""
    with contextlib.closing(hosts.routed(world, NARROW)) as far:
        start(world, sock)
        serve_guest(world, version, "udp")
        hosts.publish(sock, version, "udp")
        assert peer(world, far, udp_peers.patient_echo, hosts.HOST[version], HOST_PORT, 1200, 1400,
                    9000) == []


@FAMILIES
def test_udp_client_that_is_gone(world, sock, version):
    """Its host says so, and the server in the guest hears it in those words."""
    start(world, sock)
    server = probes.serve(world, world.guest, udp_peers.answer_twice, hosts.GUEST[version])
    hosts.publish(sock, version, "udp")
    assert peer(world, world.inet, port_peers.connected_echo, hosts.HOST[version], HOST_PORT) == "x"
    server.send_signal(signal.SIGUSR1)
    told = finish(server)
    assert (told["errno"], told["origin"], told["offender"]) == \
        ("ECONNREFUSED", {4: "icmp", 6: "icmp6"}[version], hosts.INET[version])

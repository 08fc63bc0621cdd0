"""UDP of the guest in a world with routers, narrow links, strangers, floods and very many sockets.

What a program of the host sees is what a program of the guest has to see: many of these tests run
the same client in both namespaces and compare.
"""
import contextlib
import random
import signal

import pytest

import hosts
import probes
import udp_peers
import world as w
from probes import CONFINED, FULL, PORT, begin, finish, peer

MTUS = [1500, 9000, 65520]
SIZES = [0, 1, 2, 512, 1231, 1232, 1233, 1452, 1453, 1472, 1473, 8972, 8973, 9000, 9001, 32768,
         65492, 65493, 65507]
# SIZE:TOS, sent without a pause: of one size, with a shorter or a longer one among them, empty ones
TRAINS = [["1200:0"] * 20, ["1200:2"] * 7 + ["300:2"] + ["1200:2"] * 7,
          ["300:0"] * 5 + ["1200:0"] + ["300:0"] * 5, ["0:0"] * 5, ["500:0", "0:0"] * 3, ["1:0"] * 20,
          ["1472:0"] * 10, ["1473:0"] * 5, ["100:0", "200:0"] * 8, ["9000:0"] * 5]
MARKS = [0, 1, 1, 2, 0, 3, 0xb8, 0xb8, 0, 1, 2, 3]
SEGMENTED = [(1200, 12000), (1200, 12001), (1000, 999), (1, 60), (1400, 60000)]
RANDOM_SIZES = 20000 if FULL else 500
NARROW = 1300
BINDINGS = 20000
DESCRIPTORS = 20000
LIMIT = 100
AMONG = 20                              # exchanges while somebody floods
CLOSED_PORT = PORT + 9
NOBODY = {4: "192.0.2.99", 6: "2001:db8::99"}           # on the link, but not there
UNREACHABLE = {4: "198.18.0.1", 6: "2001:db8:a::1"}     # the router has no way to these
PROHIBITED = {4: "198.18.1.1", 6: "2001:db8:b::1"}      # and will not lead to those
FAMILIES = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture
def native_udp(monkeypatch):
    monkeypatch.setenv("GATE4NETNS_UDP", "native")


pytestmark = pytest.mark.usefixtures("native_udp")


@pytest.fixture
def far(world):
    """A host behind a router behind the host, over a narrow link."""
    with contextlib.closing(hosts.routed(world, NARROW)) as made:
        yield made


def serve(world, ns, *addresses):
    for address in addresses:
        probes.serve(world, ns, udp_peers.udp_server, address)


# --- sizes ---


@FAMILIES
@pytest.mark.parametrize("mtu", MTUS)
def test_every_size_comes_back(world, mtu, version):
    """From nothing to the largest that there is, in one packet or in many fragments, both ways."""
    serve(world, world.inet, hosts.INET[version])
    gate = hosts.start(world, f"--mtu={mtu}", *CONFINED)
    assert peer(world, world.guest, udp_peers.echo, hosts.INET[version], PORT, *SIZES) == []
    assert not probes.errors(gate)


@FAMILIES
@pytest.mark.parametrize("mtu", MTUS)
def test_random_sizes_come_back(rootless_world, mtu, version):
    world, noise = rootless_world, random.Random(mtu + version)
    serve(world, world.inet, hosts.INET[version])
    hosts.start(world, f"--mtu={mtu}", *CONFINED)
    sizes = [noise.randrange(noise.choice([64, 1600, 10000, 65508])) for _ in range(RANDOM_SIZES)]
    assert peer(world, world.guest, udp_peers.echo, hosts.INET[version], PORT, *sizes,
                timeout=600) == []


# --- many at once ---


def while_stopped(gate, begin_sending):
    """What is sent meanwhile is waiting for the gate when it goes on: it takes it all in one turn."""
    gate.process.send_signal(signal.SIGSTOP)
    try:
        return begin_sending()
    finally:
        gate.process.send_signal(signal.SIGCONT)


@FAMILIES
@pytest.mark.parametrize("mtu", [1500, 65520])
def test_trains_to_the_host(rootless_world, mtu, version):
    """Datagrams that may be joined on the way arrive as they were, none longer and none shorter."""
    world = rootless_world
    serve(world, world.inet, hosts.INET[version])
    gate = hosts.start(world, f"--mtu={mtu}", *CONFINED)

    def sent(program, *what):
        return while_stopped(gate, lambda: begin(world, world.guest, program, hosts.INET[version],
                                                 PORT, *what, ready_line="sent"))
    assert peer(world, world.guest, udp_peers.echo, hosts.INET[version], PORT, 1) == []
    for items in TRAINS:
        assert finish(sent(udp_peers.train, *items)), items
    for what in SEGMENTED:
        assert finish(sent(udp_peers.segmented, *what)), what
    assert finish(sent(udp_peers.marked_train, *MARKS)) == sorted(MARKS)


@FAMILIES
@pytest.mark.parametrize("mtu", [1500, 65520])
def test_trains_to_the_guest(rootless_world, mtu, version):
    """As above; and none with the TOS of another."""
    world = rootless_world
    gate = hosts.start(world, f"--mtu={mtu}", *CONFINED)

    def sent(source):
        source.send_signal(signal.SIGUSR1)
        assert source.wait(w.DEADLINE_S) == 0
    for number, items in enumerate([*TRAINS, [f"600:{mark}" for mark in MARKS]]):
        ends = hosts.INET[version], PORT + number, *items
        source = begin(world, world.inet, udp_peers.train_source, *ends, ready_line="listening")
        sink = begin(world, world.guest, udp_peers.train_sink, *ends, ready_line="ready")
        while_stopped(gate, lambda server=source: sent(server))
        assert finish(sink), items


# --- what the headers say ---


@FAMILIES
@pytest.mark.parametrize("there,back", [((33, 0x02), (77, 0x01)), ((255, 0xb8), (1, 0x03)),
                                        ((1, 0x00), (200, 0xff))])
def test_ttl_and_tos_survive(world, version, there, back):
    """Hop limit and traffic class, ECN among it, as they were, in both directions."""
    serve(world, world.inet, hosts.INET[version])
    hosts.start(world, *CONFINED)
    assert peer(world, world.guest, udp_peers.marked, hosts.INET[version], PORT, *there, *back) \
        == [list(there), list(back)]


@FAMILIES
def test_marks_of_one_datagram_are_not_those_of_the_next(world, version):
    serve(world, world.inet, hosts.INET[version])
    hosts.start(world, *CONFINED)
    for there in (5, 0x01), (64, 0x00), (6, 0x02):
        assert peer(world, world.guest, udp_peers.marked, hosts.INET[version], PORT, *there, 64, 0) \
            == [list(there), [64, 0]]


# --- errors ---


def errors_of_both(world, *arguments):
    """What a program of the host and one of the guest read from their error queues."""
    hosts.unlimited_errors(world.inet)
    return [peer(world, ns, udp_peers.error, *arguments) for ns in (world.host, world.guest)]


def icmp(version, kind4, kind6, offender, name):
    """An entry of the error queue: type and code of each family."""
    kind, code = kind4 if version == 4 else kind6
    return {"errno": name, "origin": "icmp" if version == 4 else "icmp6", "type": kind,
            "code": code, "info": 0, "offender": offender}


@FAMILIES
def test_closed_port(world, version):
    """Port unreachable, and the other end says so itself; the plain program gets ECONNREFUSED."""
    hosts.start(world, *CONFINED)
    address = hosts.INET[version]
    told = icmp(version, (3, 3), (1, 4), address, "ECONNREFUSED")
    assert errors_of_both(world, address, CLOSED_PORT) == [told, told]
    assert peer(world, world.guest, udp_peers.refused_in_time, address, CLOSED_PORT) == \
        "ECONNREFUSED"


@FAMILIES
def test_closed_port_of_the_gateway(world, version):
    """The host's own loopback refuses; in the guest the word is the gateway's."""
    hosts.start(world, *CONFINED)
    address = hosts.GATEWAY[version]
    assert peer(world, world.guest, udp_peers.error, address, CLOSED_PORT) == \
        icmp(version, (3, 3), (1, 4), address, "ECONNREFUSED")


@FAMILIES
def test_words_of_a_router(world, far, version):
    """Unreachable, prohibited, too many hops: type, code and the router's address arrive."""
    for kind, addresses in ("unreachable", UNREACHABLE), ("prohibit", PROHIBITED):
        world.inet.run("ip", "route", "add", kind, addresses[version])
    hosts.start(world, *CONFINED)
    router = hosts.INET[version]
    told = icmp(version, (3, 1), (1, 0), router, "EHOSTUNREACH" if version == 4 else "ENETUNREACH")
    assert errors_of_both(world, UNREACHABLE[version], PORT) == [told, told]
    told = icmp(version, (3, 13), (1, 1), router, "EHOSTUNREACH" if version == 4 else "EACCES")
    assert errors_of_both(world, PROHIBITED[version], PORT) == [told, told]
    told = icmp(version, (11, 0), (3, 0), router, "EHOSTUNREACH")
    assert errors_of_both(world, hosts.FAR[version], PORT, 1) == [told, told]


@FAMILIES
def test_nobody_has_the_address(world, version):
    """The host itself gives up asking for the MAC: the guest is told that the host is unreachable."""
    world.host.run("sh", "-c", f"cd /proc/sys/net/ipv{version}/neigh/up0 && echo 1 >mcast_solicit "
                   "&& echo 20 >retrans_time_ms")
    hosts.start(world, *CONFINED)
    by_host, by_guest = errors_of_both(world, NOBODY[version], PORT)
    assert (by_host["errno"], by_host["type"], by_host["code"]) == \
        (by_guest["errno"], by_guest["type"], by_guest["code"])
    assert by_guest["errno"] == "EHOSTUNREACH"
    assert by_guest["offender"] in (hosts.GATEWAY[version], hosts.HOST[version])


@FAMILIES
def test_no_route_on_the_host(world, version):
    """What is an error of send(2) on the host is a word of the gateway in the guest."""
    hosts.start(world, *CONFINED)
    told = peer(world, world.guest, udp_peers.error, UNREACHABLE[version], PORT)
    assert (told["errno"], told["offender"]) == ("ENETUNREACH", hosts.GATEWAY[version])


@FAMILIES
def test_the_socket_works_after_an_error(world, version):
    """An error about one peer is not held against another datagram of the same turn."""
    serve(world, world.inet, hosts.INET[version])
    hosts.start(world, *CONFINED)
    assert peer(world, world.guest, udp_peers.error_then_echo, hosts.INET[version], CLOSED_PORT,
                PORT) == ["ECONNREFUSED", True]


# --- path MTU ---


@FAMILIES
@pytest.mark.parametrize("mtu", [1500, 65520])
def test_narrow_link_behind_the_host(world, far, version, mtu):
    """The guest learns the path MTU, and what it sends then arrives in one piece."""
    serve(world, far, hosts.FAR[version])
    hosts.start(world, f"--mtu={mtu}", *CONFINED)
    size = NARROW + 100 - 48
    assert peer(world, world.guest, udp_peers.discover, hosts.FAR[version], PORT, size) == \
        {"errno": "EMSGSIZE", "mtu": NARROW, "echoed": True}


@FAMILIES
def test_fragments_cross_a_narrow_link(world, far, version):
    """The plain program, which has never heard of a path MTU: what is sent again arrives."""
    serve(world, far, hosts.FAR[version])
    hosts.start(world, *CONFINED)
    assert peer(world, world.guest, udp_peers.patient_echo, hosts.FAR[version], PORT, 1400, 9000,
                65507) == []


# --- who may answer ---


@FAMILIES
@pytest.mark.parametrize("mode,heard", [
    (None, ["here"]), ("endpoint", ["here"]), ("address", ["beside", "here"]),
    ("none", ["beside", "elsewhere", "here"])])
def test_filter(rootless_world, version, mode, heard):
    """RFC 4787 5: answers from another port and from another address, by --udp-filter."""
    world = rootless_world
    hosts.strangers(world)
    probes.serve(world, world.inet, udp_peers.third_parties, hosts.INET[version], PORT,
                 hosts.STRANGER[version])
    hosts.start(world, *CONFINED, *([f"--udp-filter={mode}"] if mode else []))
    assert peer(world, world.guest, udp_peers.who_answers, hosts.INET[version], PORT) == heard


@FAMILIES
def test_one_mapping_for_all_destinations(world, version):
    """RFC 4787 4.1: both servers see the same port of the host."""
    hosts.strangers(world)
    serve(world, world.inet, hosts.INET[version], hosts.STRANGER[version])
    hosts.start(world, *CONFINED)
    seen = peer(world, world.guest, udp_peers.mappings, PORT, hosts.INET[version],
                hosts.STRANGER[version])
    assert seen[0] == seen[1] and seen[0][0] == hosts.HOST[version]


# --- very many ---


def start_large(world, *options):
    hard = ["prlimit", f"--nofile=1024:{DESCRIPTORS}", "--"]
    return world.start_tap(*options, user=[*hard, *world.as_user()])


def hold(world, count):
    return begin(world, world.guest, udp_peers.bindings, w.INET4, PORT, count,
                 ready_line="holding")


def ask_again(holder):
    holder.send_signal(signal.SIGUSR1)
    return finish(holder)


@pytest.mark.timeout(300)
def test_20000_bindings(rootless_world):
    """As many as there are descriptors but for those left to TCP and the API, at 512 bytes each; for
    the rest the oldest have made room.
    """
    world = rootless_world
    serve(world, world.inet, w.INET4)
    gate = start_large(world, f"--udp-bindings={2 * BINDINGS}", *CONFINED)
    assert peer(world, world.guest, udp_peers.echo, w.INET4, PORT, 1, 1472) == []
    memory = probes.memory_kib(gate.pid)
    holders = [hold(world, BINDINGS // 2) for _ in range(2)]
    held = probes.descriptors(gate.pid)
    assert DESCRIPTORS * 7 // 10 < held <= DESCRIPTORS
    assert probes.memory_kib(gate.pid) - memory <= held * 512 // 1024 + 1024
    assert [ask_again(holder) for holder in holders] == [[True, False], [True, True]]
    probes.assert_idle(gate.pid)


def test_oldest_binding_makes_room(world):
    """By --udp-bindings: the newest keeps its port, the oldest gets another one and works."""
    serve(world, world.inet, w.INET4)
    gate = world.start_tap(f"--udp-bindings={LIMIT}", *CONFINED)
    before = probes.descriptors(gate.pid)
    holder = hold(world, LIMIT * 3 // 2)
    assert probes.descriptors(gate.pid) - before <= LIMIT
    assert ask_again(holder) == [True, False]


def test_binding_under_the_limit_is_kept(world):
    serve(world, world.inet, w.INET4)
    world.start_tap(f"--udp-bindings={LIMIT}", *CONFINED)
    assert ask_again(hold(world, LIMIT)) == [True, True]


# --- floods ---


def test_flood_from_the_guest_stops_nobody(world):
    """One socket sends as fast as it can, more than the device takes; another is still answered."""
    serve(world, world.inet, w.INET4)
    probes.serve(world, world.inet, udp_peers.udp_server, w.INET4, PORT + 1)
    gate = world.start_tap(*CONFINED)
    begin(world, world.guest, udp_peers.flood, w.INET4, PORT + 1, ready_line="flooding")
    assert peer(world, world.guest, udp_peers.patient, w.INET4, PORT, AMONG) == 0
    assert not probes.errors(gate)


def test_flood_from_outside_stops_nobody(world):
    """A peer sends as fast as it can to a program that has stopped reading."""
    serve(world, world.inet, w.INET4)
    probes.serve(world, world.inet, udp_peers.flooder, w.INET4, PORT + 1)
    gate = world.start_tap(*CONFINED)
    begin(world, world.guest, udp_peers.be_flooded, w.INET4, PORT + 1, ready_line="flooding")
    assert peer(world, world.guest, udp_peers.patient, w.INET4, PORT, AMONG) == 0
    assert not probes.errors(gate)

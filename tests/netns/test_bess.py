"""--target-type=bess: a peer on a SOCK_SEQPACKET socket speaks Ethernet by hand."""
import os

import pytest

import frames
import peers
import probes
import world as w
from probes import CONFINED, PORT, peer

SYN, ACK = 0x02, 0x10


def start(world, *options):
    """Start the gate, connect, and wait for the ready byte that follows."""
    path = world.tmp / "bess.sock"
    gate = world.start(*options, "--target-type=bess", path, wait=False)
    client = frames.BessClient(path)
    gate.wait_ready()
    return gate, client


@pytest.fixture
def clients():
    made = []
    yield made
    for client in made:
        client.close()


def test_gateway_answers(world, confinement, clients):
    _, client = start(world, *confinement)
    clients.append(client)
    assert client.resolve_gateway() == bytes.fromhex("52550a000202")
    assert client.ping()[8:] == b"ping"


def test_dhcp_offer(world, clients):
    _, client = start(world)
    clients.append(client)
    offer = client.answer_to(frames.dhcp_discover(), lambda f: f[12:14] == b"\x08\0"
                             and f[23] == frames.UDP and f[34:38] == b"\0\x43\0\x44")
    assert offer[42 + 16:42 + 20] == frames.address("10.0.2.15")


def test_udp_to_the_internet(world, clients):
    probes.serve(world, world.inet, peers.udp_server, w.INET4)
    _, client = start(world, *CONFINED)
    clients.append(client)
    client.resolve_gateway()
    answer = client.ask_ip4(frames.UDP, frames.udp(4000, PORT, b"by hand"),
                            lambda p: p[:4] == frames.udp(PORT, 4000, b"")[:4], dst=w.INET4)
    assert answer[8:] == b"by hand"


def test_next_client_is_accepted(world, clients):
    """A peer that leaves is no end: the next one finds the same gateway, three times over."""
    gate, client = start(world, *CONFINED)
    for number in range(3):
        client.resolve_gateway()
        client.ping(number)
        client.close()
        client = frames.BessClient(world.tmp / "bess.sock")
    clients.append(client)
    client.resolve_gateway()
    assert gate.stop() == 0


def test_departed_client_costs_nothing(world, clients):
    gate, client = start(world)
    client.resolve_gateway()
    client.close()
    probes.assert_idle(gate.pid)
    clients.append(frames.BessClient(world.tmp / "bess.sock"))
    clients[0].resolve_gateway()
    assert len(gate.stderr()) < 4096


def test_api_answers_without_a_client(world):
    sock = world.tmp / "api.sock"
    _, client = start(world, "-a", sock)
    client.close()
    assert w.api(sock, "list_hostfwd")["entries"] == []


def test_files_are_removed_at_the_end(world, confinement, clients):
    sock = world.tmp / "api.sock"
    gate, client = start(world, "-a", sock, *confinement)
    clients.append(client)
    assert gate.stop() == 0
    assert not sock.exists()


def test_ends_while_it_waits_for_a_client(world):
    """The exit-fd counts before anybody has connected; the ready byte was never written."""
    path = world.tmp / "bess.sock"
    gate = world.start("--target-type=bess", path, wait=False)
    w.wait_until(path.exists, "the socket file")
    assert gate.stop() == 0
    assert os.read(gate.ready_r, 1) == b""


@pytest.mark.parametrize("dst", ["127.0.0.1", "127.1.2.3", "0.0.0.0"])
def test_addresses_of_the_host_itself_lead_nowhere(world, clients, dst):
    """connect(2) would take them for the host's loopback, closed or not."""
    path = world.tmp / "api.sock"
    for server in (peers.tcp_server, peers.udp_server):
        probes.serve(world, world.host, server, "0.0.0.0")
    _, client = start(world, "--disable-host-loopback", "--api-socket", path, *CONFINED)
    clients.append(client)
    client.resolve_gateway()
    client.send_ip4(frames.TCP, frames.tcp(4000, PORT, 1, 0, SYN, dst=dst), dst=dst)
    client.send_ip4(frames.UDP, frames.udp(4000, PORT, b"lost"), dst=dst)
    answer = client.ask_ip4(frames.TCP, frames.tcp(4000, PORT, 1, 0, SYN, dst=w.HOST4),
                            lambda p: p[13] & SYN, dst=w.HOST4)
    assert answer[13] == SYN | ACK          # what comes first has been dealt with
    assert w.api(path, "get_stats")["return"]["gate"]["drops"]["to_nowhere"] == 2
    assert peer(world, world.host, peers.udp_ask, w.HOST4, PORT, "log") == []

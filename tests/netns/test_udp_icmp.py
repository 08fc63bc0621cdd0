"""UDP and ICMP echo: sizes from one byte to many fragments, and who answers a ping."""
import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, peer

both_stacks = pytest.mark.usefixtures("udp_stack")
SIZES = [1, 2, 512, 1400, 1472, 1473, 2000, 8000, 9000, 30000, 60000]


@both_stacks
@pytest.mark.parametrize("mtu", [1500, 65520])
def test_udp_of_every_size_comes_back(world, confinement, mtu):
    probes.serve_inet(world, w.INET4)
    world.start_tap(f"--mtu={mtu}", *confinement)
    assert peer(world, world.guest, peers.udp_echo, w.INET4, PORT, *SIZES) == SIZES


@both_stacks
def test_udp_server_sees_the_host(world, confinement):
    probes.serve_inet(world, w.INET4)
    world.start_tap(*confinement)
    assert peer(world, world.guest, peers.udp_ask, w.INET4, PORT, "peer") == w.HOST4


@both_stacks
def test_udp_to_the_gateway_reaches_the_loopback_of_the_host(world):
    probes.serve(world, world.host, peers.udp_server, "127.0.0.1")
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.udp_ask, w.GATEWAY4, PORT, "peer") == "127.0.0.1"


@both_stacks
def test_udp_answers_come_back_to_their_own_sockets(world):
    """Many sockets at the same time, each with a payload of its own."""
    probes.serve_inet(world, w.INET4)
    world.start_tap(*probes.CONFINED)
    assert peer(world, world.guest, peers.udp_many, w.INET4, PORT, 200) == 200


@pytest.mark.parametrize("target", [w.GATEWAY4, w.INET4])
def test_ping(world, confinement, target):
    """The gateway answers by itself, the internet through ping sockets of the host."""
    world.start_tap(*confinement)
    world.guest.run("ping", "-c2", "-i0.01", "-W5", target)


def test_ping_of_nobody_stays_unanswered(world):
    """192.0.2.99 does not exist on the segment of the inet namespace."""
    world.start_tap(*CONFINED)
    assert world.guest.run("ping", "-c1", "-W1", "192.0.2.99", check=False).returncode == 1

"""Forwarded TCP ports with our own TCP: where in the guest a client appears, and how it is found."""
import pytest

import frames
import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer

pytestmark = pytest.mark.usefixtures("native")

HOST_PORT = 8080
SYN, RST_ACK, SYN_ACK = 0x02, 0x14, 0x12
OTHER_MAC = bytes.fromhex("020000000002")


@pytest.fixture
def sock(world):
    return world.tmp / "api.sock"


def add(sock, **arguments):
    answer = w.api(sock, "add_hostfwd", proto="tcp", guest_port=PORT,
                   **{"host_addr": "0.0.0.0", "host_port": HOST_PORT, "guest_addr": "", **arguments})
    assert "error" not in answer, answer


def asked(world):
    return peer(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "peer")


def test_two_clients_of_one_port(world, sock):
    """Both appear as the gateway, and only one of them can keep its port."""
    world.start_tap("-a", sock, *CONFINED)
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    add(sock)
    assert peer(world, world.host, peers.ask_from_same_port, "127.0.0.1", HOST_PORT,
                "127.0.0.1", "127.0.0.2") == [w.GATEWAY4] * 2


def test_client_from_a_network_like_the_guests(world, sock):
    """The host's own 10.0.2.0/24 is not the guest's: a client there appears as the gateway."""
    for ns, dev, address in ((world.host, "up0", "10.0.2.7"), (world.inet, "inet0", "10.0.2.8")):
        ns.run("ip", "addr", "add", f"{address}/24", "dev", dev)
    world.start_tap("-a", sock, *CONFINED)
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    add(sock)
    assert peer(world, world.inet, peers.ask, "10.0.2.7", HOST_PORT, "peer") == w.GATEWAY4


def test_client_with_a_link_local_address(world, sock):
    world.inet.run("ip", "addr", "add", "fe80::8/64", "dev", "inet0", "nodad")
    world.host.run("ip", "addr", "add", "fe80::7/64", "dev", "up0", "nodad")
    world.start_tap("-6", "-a", sock, *CONFINED)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    probes.serve(world, world.guest, peers.tcp_server, "::")
    add(sock, host_addr="::", guest_addr="fd00::100")
    assert peer(world, world.inet, peers.ask, "fe80::7%inet0", HOST_PORT, "peer") == w.GATEWAY6


def test_guest_that_configures_itself(world, sock):
    """Without -c, and with a MAC that we were never told."""
    world.start("-a", sock, *CONFINED, world.guest.pid, "tap0")
    add(sock)
    world.guest.run("sh", "-ec", "ip link set tap0 address 02:00:00:00:00:77 up;"
                    f"ip addr add {w.GUEST4}/24 dev tap0; ip route add default via {w.GATEWAY4}")
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    assert asked(world) == w.INET4


def test_interface_with_a_new_mac(world, sock):
    world.start_tap("-6", "-a", sock, *CONFINED)
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    add(sock)
    assert asked(world) == w.INET4
    world.guest.run("sh", "-ec", "ip link set tap0 down; ip link set tap0 address 02:00:00:00:00:77;"
                    f"ip link set tap0 up; ip route add default via {w.GATEWAY4}")
    assert asked(world) == w.INET4


def test_default_guest_address_of_ipv6(world, sock):
    """It is found by neighbour discovery once its MAC is another than that which gave the address."""
    world.start_tap("-6", "-a", sock, *CONFINED)
    add(sock, host_addr="::")
    entry = w.api(sock, "list_hostfwd")["entries"][0]
    world.guest.run("sh", "-ec", "ip link set tap0 down; ip link set tap0 address 02:00:00:00:00:77;"
                    "ip link set tap0 up; ip -6 addr flush dev tap0 scope global;"
                    f"ip addr add {entry['guest_addr']}/64 dev tap0 nodad;"
                    "ip -6 route replace default via fd00::2 dev tap0")
    probes.serve(world, world.guest, peers.tcp_server, "::")
    assert peer(world, world.inet, peers.ask, w.HOST6, HOST_PORT, "peer") == w.INET6


def is_question(frame):
    return frame[12:14] == b"\x08\x06" and frame[21] == 1 and \
        frame[38:42] == frames.address(w.GUEST4)


def is_syn(frame):
    return frame[12:14] == b"\x08\0" and frame[23] == frames.TCP and frame[47] == SYN


def refuse(client, syn, mac):
    """Answer a SYN as a guest does where nobody listens."""
    sport, dport = int.from_bytes(syn[34:36], "big"), int.from_bytes(syn[36:38], "big")
    reset = frames.tcp(dport, sport, 0, int.from_bytes(syn[38:42], "big") + 1, RST_ACK)
    client.send(syn[6:12] + mac + b"\x08\0" + frames.ip4(frames.TCP, reset, dst=w.INET4))


def test_bess_guest_is_asked_for(world, sock):
    """Its MAC comes by ARP; the next process on the socket may have another one."""
    path = world.tmp / "bess.sock"
    gate = world.start("-a", sock, *CONFINED, "--target-type=bess", path, wait=False)
    client = frames.BessClient(path)
    gate.wait_ready()
    add(sock)
    for mac in (frames.MAC, OTHER_MAC):
        waiting = begin(world, world.inet, peers.ended, w.HOST4, HOST_PORT, "peer")
        question = client.receive(is_question)
        assert question[6:12] == question[22:28] == bytes.fromhex("52550a000202")
        assert question[28:32] == frames.address(w.GATEWAY4)
        client.send(frames.arp(2, w.GATEWAY4, mac=mac))
        syn = client.receive(lambda frame: is_syn(frame) and frame[:6] == mac)
        assert syn[26:30] == frames.address(w.INET4)
        refuse(client, syn, mac)
        assert finish(waiting) == "ECONNRESET"
        client.close()
        client = frames.BessClient(path)
    client.close()


def test_strays_are_reset(world):
    """A segment of a connection that there is not gets RST, as from a host."""
    path = world.tmp / "bess.sock"
    gate = world.start(*CONFINED, "--target-type=bess", path, wait=False)
    client = frames.BessClient(path)
    gate.wait_ready()
    client.resolve_gateway()
    answer = client.ask_ip4(frames.TCP, frames.tcp(4000, PORT, 5, 77, SYN_ACK), lambda p: True,
                            dst=w.INET4)
    assert answer[13] == 0x04 and int.from_bytes(answer[4:8], "big") == 77
    client.close()


def test_client_that_leaves_before_the_guest_answers(world, sock):
    """The guest hears of it at once."""
    path = world.tmp / "bess.sock"
    gate = world.start("-a", sock, *CONFINED, "--target-type=bess", path, wait=False)
    client = frames.BessClient(path)
    gate.wait_ready()
    add(sock)
    leaving = begin(world, world.inet, peers.reset_on_signal, w.HOST4, HOST_PORT)
    client.receive(is_question)
    client.send(frames.arp(2, w.GATEWAY4))
    client.receive(is_syn)
    leaving.terminate()
    client.receive(lambda f: f[12:14] == b"\x08\0" and f[23] == frames.TCP and f[47] & 4)
    client.close()


def test_ports_end_with_the_process(world, sock):
    gate = world.start_tap("-a", sock, *CONFINED)
    add(sock)
    assert gate.stop() == 0
    assert peer(world, world.inet, peers.connect, w.HOST4, HOST_PORT) == "ECONNREFUSED"


def test_port_that_another_program_has(world, sock):
    """The error is the one that callers know, and nothing is listed."""
    world.start_tap("-a", sock, *CONFINED)
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1", HOST_PORT)
    answer = w.api(sock, "add_hostfwd", proto="tcp", host_addr="0.0.0.0", host_port=HOST_PORT,
                   guest_port=PORT)
    assert answer["error"]["desc"] == "bad request: add_hostfwd: slirp_add_hostfwd failed"
    assert w.api(sock, "list_hostfwd")["entries"] == []

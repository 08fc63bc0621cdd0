"""Forwards from host ports to the guest, made through the API socket."""
import signal

import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer

HOST_PORT = 8080
GUEST6 = "fd00::100"
both_stacks = pytest.mark.usefixtures("stack")
TRANSPORTS = pytest.mark.parametrize("proto", ["tcp", "udp"])


@pytest.fixture
def sock(world):
    return world.tmp / "api.sock"


def start(world, sock, *options):
    gate = world.start_tap("-6", "-a", sock, *options)
    world.guest.run("ip", "addr", "add", f"{GUEST6}/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY6)
    return gate


def serve_guest(world, address="0.0.0.0"):
    for program in (peers.tcp_server, peers.udp_server):
        probes.serve(world, world.guest, program, address)


def add(sock, proto="tcp", host_addr="0.0.0.0", host_port=HOST_PORT, guest_addr=""):
    answer = w.api(sock, "add_hostfwd", proto=proto, host_addr=host_addr, host_port=host_port,
                   guest_addr=guest_addr, guest_port=PORT)
    assert "error" not in answer, answer
    return answer["return"]["id"]


def seen_by_guest(world, proto, ns, address, port=HOST_PORT):
    """The source address that the server in the guest sees for a client in ns."""
    if proto == "udp":
        return peer(world, ns, peers.udp_ask, address, port, "peer")
    return peer(world, ns, peers.ask, address, port, "peer")


@pytest.fixture
def same_stack(stack, monkeypatch):
    """It carries UDP as well."""
    monkeypatch.setenv("GATE4NETNS_UDP", stack)


@TRANSPORTS
def test_source_address(world, sock, confinement, same_stack, proto):
    """A client on the host's loopback appears as the gateway, all others as themselves."""
    start(world, sock, *confinement)
    serve_guest(world)
    add(sock, proto)
    assert seen_by_guest(world, proto, world.host, "127.0.0.1") == w.GATEWAY4
    assert seen_by_guest(world, proto, world.inet, w.HOST4) == w.INET4
    assert seen_by_guest(world, proto, world.host, w.HOST4) == w.HOST4


@TRANSPORTS
def test_source_address_ipv6(world, sock, same_stack, proto):
    start(world, sock, *CONFINED)
    serve_guest(world, "::")
    add(sock, proto, "::", guest_addr=GUEST6)
    assert seen_by_guest(world, proto, world.host, "::1") == w.GATEWAY6
    assert seen_by_guest(world, proto, world.inet, w.HOST6) == w.INET6


@pytest.mark.parametrize("host_addr", ["0.0.0.0", w.HOST4])
def test_udp_leaves_by_its_forwarded_port(world, sock, udp_stack, host_addr):
    """Who registers with a server from the port that it listens at is found there (RFC 4787 4.1)."""
    start(world, sock, *CONFINED)
    probes.serve_inet(world, w.INET4)
    add(sock, "udp", host_addr)
    for _ in range(2):
        assert peer(world, world.guest, peers.udp_ask, w.INET4, PORT, "port", PORT) == HOST_PORT
    assert peer(world, world.guest, peers.udp_ask, w.INET4, PORT, "port", PORT + 1) != HOST_PORT
    probes.serve(world, world.guest, peers.udp_server, "0.0.0.0")
    assert seen_by_guest(world, "udp", world.inet, w.HOST4) == w.INET4


@both_stacks
def test_bulk(world, sock):
    size = 16 << 20
    start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock)
    for program in (peers.upload, peers.download, peers.late, peers.duplex):
        assert peer(world, world.inet, program, w.HOST4, HOST_PORT, size) == \
            peers.stream_digest(size)


@both_stacks
def test_both_families_share_a_port(world, sock):
    """`::` means IPv6 only, so that podman can publish 0.0.0.0 and :: with the same port."""
    start(world, sock, *CONFINED)
    serve_guest(world)
    serve_guest(world, "::")
    add(sock, host_addr="0.0.0.0")
    add(sock, host_addr="::", guest_addr=GUEST6)
    assert seen_by_guest(world, "tcp", world.inet, w.HOST4) == w.INET4
    assert seen_by_guest(world, "tcp", world.inet, w.HOST6) == w.INET6


@both_stacks
@pytest.mark.parametrize("host_addr", ["127.0.0.1", w.HOST4])
def test_only_the_named_host_address_listens(world, sock, host_addr):
    start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock, host_addr=host_addr)
    wanted = {"127.0.0.1": "ECONNREFUSED", w.HOST4: "connected"}[host_addr]
    assert peer(world, world.inet, peers.connect, w.HOST4, HOST_PORT) == wanted
    assert peer(world, world.host, peers.connect, host_addr, HOST_PORT) == "connected"


@both_stacks
def test_only_the_named_host_address_listens_ipv6(world, sock):
    start(world, sock, *CONFINED)
    serve_guest(world, "::")
    add(sock, host_addr="::1", guest_addr=GUEST6)
    assert peer(world, world.inet, peers.connect, w.HOST6, HOST_PORT) == "ECONNREFUSED"
    assert seen_by_guest(world, "tcp", world.host, "::1") == w.GATEWAY6


@both_stacks
def test_guest_address_is_used(world, sock):
    start(world, sock, *CONFINED)
    world.guest.run("ip", "addr", "add", "10.0.2.50/24", "dev", "tap0")
    probes.serve(world, world.guest, peers.tcp_server, "10.0.2.50")
    add(sock, guest_addr="10.0.2.50")
    assert seen_by_guest(world, "tcp", world.inet, w.HOST4) == w.INET4


@both_stacks
def test_host_port_of_root_needs_root(world, sock):
    """An open port below 1024 is root's; the error changes nothing."""
    start(world, sock, *CONFINED)
    answer = w.api(sock, "add_hostfwd", proto="tcp", host_addr="0.0.0.0", host_port=80,
                   guest_port=PORT)
    assert ("error" in answer) == world.rootless, answer
    assert len(w.api(sock, "list_hostfwd")["entries"]) == (0 if world.rootless else 1)


@both_stacks
def test_closed_loopback_does_not_close_forwards(world, sock):
    start(world, sock, "--disable-host-loopback", *CONFINED)
    serve_guest(world)
    add(sock)
    assert seen_by_guest(world, "tcp", world.inet, w.HOST4) == w.INET4
    assert peer(world, world.host, peers.connect, "127.0.0.1", HOST_PORT) == "connected"


@both_stacks
def test_burst_waits_in_the_backlog(world, sock):
    """While nobody accepts, the kernel completes 100 connects; then all of them are served."""
    gate = start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock)
    gate.process.send_signal(signal.SIGSTOP)
    burst = begin(world, world.inet, peers.many, w.HOST4, HOST_PORT, 100, ready_line="connected")
    gate.process.send_signal(signal.SIGCONT)
    assert finish(burst) == 100


@both_stacks
def test_ids_are_never_used_again(world, sock):
    start(world, sock, *CONFINED)
    assert [add(sock, host_port=9001), add(sock, host_port=9002), add(sock, "udp")] == [1, 2, 3]
    assert w.api(sock, "remove_hostfwd", id=2) == {"return": {}}
    assert add(sock, host_port=9002) == 4
    assert [e["id"] for e in w.api(sock, "list_hostfwd")["entries"]] == [1, 3, 4]


@both_stacks
@pytest.mark.parametrize("host_addr,target,guest_addr", [
    ("0.0.0.0", w.HOST4, ""), ("::", w.HOST6, GUEST6)])
def test_removed_forward_is_refused(world, sock, host_addr, target, guest_addr):
    start(world, sock, *CONFINED)
    serve_guest(world, host_addr)
    ident = add(sock, host_addr=host_addr, guest_addr=guest_addr)
    assert peer(world, world.inet, peers.connect, target, HOST_PORT) == "connected"
    assert w.api(sock, "remove_hostfwd", id=ident) == {"return": {}}
    assert peer(world, world.inet, peers.connect, target, HOST_PORT) == "ECONNREFUSED"
    assert "error" in w.api(sock, "remove_hostfwd", id=ident)


def test_removed_udp_forward_is_silent(world, sock):
    start(world, sock, *CONFINED)
    serve_guest(world)
    ident = add(sock, "udp")
    assert seen_by_guest(world, "udp", world.inet, w.HOST4) == w.INET4
    assert w.api(sock, "remove_hostfwd", id=ident) == {"return": {}}
    assert peer(world, world.inet, peers.udp_send, w.HOST4, HOST_PORT, "x", 5) == "ECONNREFUSED"


@both_stacks
def test_established_connection_survives_its_forward(world, sock):
    start(world, sock, *CONFINED)
    serve_guest(world)
    ident = add(sock)
    waiting = begin(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "note")
    probes.wait_established(world.guest, PORT)
    assert w.api(sock, "remove_hostfwd", id=ident) == {"return": {}}
    assert peer(world, world.guest, peers.ended, "127.0.0.1", PORT, "leave_note") == "eof"
    assert finish(waiting) == "left"


def test_dead_guest_port_resets_the_client(world, sock, stack):
    """Nobody listens in the guest: the client learns it, and as soon as somebody does it is served."""
    start(world, sock, *CONFINED)
    add(sock)
    for _ in range(2):
        assert peer(world, world.inet, peers.ended, w.HOST4, HOST_PORT, "peer") in \
            {"slirp": ("eof", "ECONNRESET"), "native": ("ECONNRESET",)}[stack]
    serve_guest(world)
    assert seen_by_guest(world, "tcp", world.inet, w.HOST4) == w.INET4


@both_stacks
def test_burst(world, sock):
    """All of 500 clients that come at once are served."""
    start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock)
    assert peer(world, world.inet, peers.many, w.HOST4, HOST_PORT, 500) == 500


@both_stacks
def test_half_closed_both_ways(world, sock):
    size = 1 << 20
    start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock)
    assert peer(world, world.inet, peers.late, w.HOST4, HOST_PORT, size) == \
        peers.stream_digest(size)
    assert peer(world, world.inet, peers.first, w.HOST4, HOST_PORT, size) == \
        [peers.stream_digest(size)] * 2


def test_reset_crosses_both_ways(world, sock, stack):
    """libslirp passes a reset on as an end of file."""
    start(world, sock, *CONFINED)
    serve_guest(world)
    add(sock)
    soft = ["eof"] * (stack == "slirp")
    assert peer(world, world.inet, peers.end_by, w.HOST4, HOST_PORT, "reset") in ["reset", *soft]
    assert peer(world, world.inet, peers.end_by, w.HOST4, HOST_PORT, "eof") == "eof"
    assert peer(world, world.inet, peers.ended, w.HOST4, HOST_PORT, "reset") in \
        ["ECONNRESET", *soft]


@both_stacks
@pytest.mark.parametrize("program,ends", [
    (peers.pour, ["ECONNRESET", "EPIPE"]), (peers.drain, ["eof", "ECONNRESET"])])
def test_server_killed_in_the_middle(world, sock, program, ends):
    start(world, sock, *CONFINED)
    server = probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    add(sock)
    client = begin(world, world.inet, program, w.HOST4, HOST_PORT, ready_line="begun")
    server.kill()
    assert finish(client) in ends

"""Forwards as --publish and the API make them: ranges, ports of the kernel's choice, both families,
Unix sockets; what they count; and that a forward is there as a whole or not at all."""
import contextlib
import socket

import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer

HOST_PORT = 8080
MAC, GUEST6 = "0e:d4:18:d9:38:fb", "fd00::cd4:18ff:fed9:38fb"      # SLAAC makes this one of that
OTHER4 = "10.0.2.50"
both_stacks = pytest.mark.usefixtures("stack")


@pytest.fixture
def sock(world):
    return world.tmp / "api.sock"


def publish(*specs):
    return [f"--publish={spec}" for spec in specs]


def start(world, *options):
    return world.start_tap("-a", world.tmp / "api.sock", *options)


def start6(world, *options):
    """With IPv6, and the guest's address there at once."""
    gate = start(world, "-6", f"--macaddress={MAC}", *options)
    world.guest.run("ip", "addr", "add", f"{GUEST6}/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY6)
    return gate


def refused(world, *options):
    """Start what cannot run: the lines that it leaves."""
    gate = world.start_tap(*options, wait=False)
    assert gate.wait() == 1
    return probes.errors(gate)


def add(sock, **arguments):
    arguments = {"proto": "tcp", "host_addr": "0.0.0.0", "guest_port": PORT, **arguments}
    return w.api(sock, "add_hostfwd", **arguments)


def added(sock, **arguments):
    answer = add(sock, **arguments)
    assert "error" not in answer, answer
    return answer["return"]


def entries(sock):
    return w.api(sock, "list_hostfwd")["entries"]


def entry(sock, ident=1):
    return next(e for e in entries(sock) if e["id"] == ident)


def serve(world, address="0.0.0.0", port=PORT):
    return probes.serve(world, world.guest, peers.tcp_server, address, port)


def source(world, ns, address, port=HOST_PORT):
    return peer(world, ns, peers.ask, address, port, "peer")


def listening(world):
    """The TCP ports that somebody listens at on the host."""
    lines = world.host.run("ss", "-ltnH").stdout.splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}


# --- ranges ---


@both_stacks
def test_range(world, sock, confinement):
    start(world, *confinement, *publish("8000-8099:9000-9099"))
    for offset in (0, 50, 99):
        serve(world, port=9000 + offset)
        assert source(world, world.inet, w.HOST4, 8000 + offset) == w.INET4
    assert listening(world) == set(range(8000, 8100))
    assert entry(sock)["count"] == 100
    assert w.api(sock, "remove_hostfwd", id=1) == {"return": {}}
    assert listening(world) == set() and entries(sock) == []


@both_stacks
def test_range_is_all_or_nothing(world, sock):
    """One of its ports is in use: the error says which, and no other port listens."""
    start(world, *CONFINED)
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1", 8050)
    answer = add(sock, host_port=8000, guest_port=9000, count=100)
    assert answer["error"]["desc"] == "bad request: add_hostfwd: slirp_add_hostfwd failed"
    assert answer["error"]["detail"] == "tcp 0.0.0.0:8050: Address already in use"
    assert listening(world) == {8050} and entries(sock) == []
    assert added(sock, host_port=8000, guest_port=9000, count=50) == {"id": 1}
    world.guest = world.new_guest()
    assert refused(world, *publish("127.0.0.1:8049-8051:1-3")) == [
        "--publish=127.0.0.1:8049-8051:1-3: tcp 127.0.0.1:8049: Address already in use"]


def test_range_beyond_the_open_files(world, sock, native):
    """It is refused before anything is opened."""
    gate = start6(world, *CONFINED)
    before = probes.descriptors(gate.pid)
    detail = add(sock, host_addr="::", host_port=1, guest_port=1, count=65535)["error"]["detail"]
    assert "limit of open files" in detail and detail.startswith("131070 listeners")
    assert probes.descriptors(gate.pid) <= before + 1      # a client of the API may still be there
    stats = w.api(sock, "get_stats")["return"]["ports"]
    assert stats["drops"] == {"forwards": 0, "listeners": 1} and stats["listeners"] == 0


# --- ports of the kernel's choice ---


@both_stacks
def test_chosen_port(world, sock):
    start(world, *CONFINED)
    serve(world)
    answer = added(sock, host_port=0)
    assert answer == {"id": 1, "host_port": entry(sock)["host_port"]}
    assert source(world, world.inet, w.HOST4, answer["host_port"]) == w.INET4


@pytest.mark.parametrize("proto, ask", [("tcp", peers.ask), ("udp", peers.udp_ask)])
def test_chosen_port_is_said(world, sock, proto, ask):
    gate = start(world, *CONFINED, *publish(f"0:{PORT}/{proto}"))
    serve(world)
    probes.serve(world, world.guest, peers.udp_server, "0.0.0.0")
    port = entry(sock)["host_port"]
    assert probes.errors(gate) == [f"--publish=0:{PORT}/{proto}: {proto} port {port}"]
    assert peer(world, world.inet, ask, w.HOST4, port, "peer") == w.INET4


# --- both families, both protocols ---


def test_both_protocols(world, sock):
    start(world, *CONFINED, *publish(f"{HOST_PORT}:{PORT}/tcp+udp"))
    serve(world)
    probes.serve(world, world.guest, peers.udp_server, "0.0.0.0")
    assert [e["proto"] for e in entries(sock)] == ["tcp", "udp"]
    assert source(world, world.inet, w.HOST4) == w.INET4
    assert peer(world, world.inet, peers.udp_ask, w.HOST4, HOST_PORT, "peer") == w.INET4


@both_stacks
@pytest.mark.parametrize("spec", [f"{HOST_PORT}:{PORT}", f"[::]:{HOST_PORT}:{PORT}"])
def test_both_families(world, sock, spec):
    """Each client reaches the guest in its own family, from its own address."""
    start6(world, *CONFINED, *publish(spec))
    serve(world)
    serve(world, "::")
    assert source(world, world.inet, w.HOST4) == w.INET4
    assert source(world, world.inet, w.HOST6) == w.INET6
    assert source(world, world.host, "127.0.0.1") == w.GATEWAY4
    assert source(world, world.host, "::1") == w.GATEWAY6
    assert entry(sock)["guest_addr"] == GUEST6 and entry(sock)["guest_addr4"] == w.GUEST4


def test_both_families_chosen_port(world, sock, native):
    start6(world, *CONFINED)
    serve(world)
    serve(world, "::")
    port = added(sock, host_addr="::", host_port=0)["host_port"]
    assert source(world, world.inet, w.HOST4, port) == w.INET4
    assert source(world, world.inet, w.HOST6, port) == w.INET6


@both_stacks
@pytest.mark.parametrize("order", [("::", "0.0.0.0"), ("0.0.0.0", "::")], ids=["6-4", "4-6"])
def test_both_are_asked_for(world, sock, order):
    """0.0.0.0 and :: may come in either order; IPv4 clients go where the former leads."""
    start6(world, *CONFINED)
    world.guest.run("ip", "addr", "add", f"{OTHER4}/24", "dev", "tap0")
    serve(world, OTHER4)
    serve(world, "::")
    for host_addr in order:
        added(sock, host_addr=host_addr, host_port=HOST_PORT,
              guest_addr=OTHER4 if host_addr == "0.0.0.0" else "")
    assert source(world, world.inet, w.HOST4) == w.INET4
    assert source(world, world.inet, w.HOST6) == w.INET6
    assert not any("guest_addr4" in e for e in entries(sock))


@both_stacks
def test_what_gave_way_comes_back_on_failure(world, sock):
    start6(world, *CONFINED)
    serve(world)
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1", HOST_PORT + 1)
    added(sock, host_addr="::", host_port=HOST_PORT)
    assert "error" in add(sock, host_port=HOST_PORT, count=2)
    assert source(world, world.inet, w.HOST4) == w.INET4


# --- Unix sockets ---


@contextlib.contextmanager
def unix_client(path, line):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(w.DEADLINE_S)
        client.connect(str(path))
        client.sendall(line + b"\n")
        yield client


def test_unix_socket(world, sock, confinement, native):
    """Its clients are the gateway; it goes with the program, and in the sandbox too."""
    path, size = world.tmp / "web.sock", 4 << 20
    gate = start(world, *confinement, *publish(f"unix:{path}:{PORT}"))
    serve(world)
    for _ in range(3):
        with unix_client(path, b"peer") as client:
            assert peers.read_line(client) == w.GATEWAY4
    with unix_client(path, b"sink") as client:
        for piece in peers.stream(size):
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        assert peers.read_line(client) == peers.stream_digest(size)
    with unix_client(path, f"source {size}".encode()) as client:
        assert peers.digest_until_eof(client.recv) == peers.stream_digest(size)
    found = entry(sock)
    assert found["host_path"] == str(path) and "host_port" not in found
    assert found["accepted"] == 5 and found["bytes_to_guest"] > size
    assert gate.stop() == 0
    assert not path.exists()


def test_unix_socket_refused_by_the_guest(world, native):
    path = world.tmp / "web.sock"
    start(world, *CONFINED, *publish(f"unix:{path}:{PORT}"))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError), \
            unix_client(path, b"peer") as client:
        assert client.recv(1) == b""


def test_unix_socket_by_api(world, sock, native):
    path = world.tmp / "web.sock"
    start(world)
    serve(world)
    answer = w.api(sock, "add_hostfwd", proto="tcp", host_path=str(path), guest_port=PORT)
    assert answer == {"return": {"id": 1}}
    with unix_client(path, b"peer") as client:
        assert peers.read_line(client) == w.GATEWAY4
    again = w.api(sock, "add_hostfwd", proto="tcp", host_path=str(path), guest_port=PORT)
    assert again["error"]["detail"] == f"unix:{path}: Address already in use"
    assert w.api(sock, "remove_hostfwd", id=1) == {"return": {}}
    assert not path.exists()


@pytest.mark.parametrize("option", CONFINED)
def test_no_unix_socket_once_confined(world, sock, native, option):
    path = world.tmp / "web.sock"
    start(world, option)
    answer = w.api(sock, "add_hostfwd", proto="tcp", host_path=str(path), guest_port=PORT)
    assert "only --publish can" in answer["error"]["detail"] and not path.exists()
    assert entries(sock) == []


def test_unix_socket_spares_other_files(world, native):
    path = world.tmp / "web.sock"
    path.write_text("mine")
    assert refused(world, *publish(f"unix:{path}:{PORT}")) == [
        f"--publish=unix:{path}:{PORT}: unix:{path}: Address already in use"]
    assert path.read_text() == "mine"


def test_unix_socket_of_another_program(world, native):
    """It keeps its clients; what it leaves behind when it has ended is in nobody's way."""
    path = world.tmp / "web.sock"
    spec = f"unix:{path}:{PORT}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        path.chmod(0o777)       # or who is not root cannot tell
        other.listen()
        assert refused(world, *publish(spec)) == [
            f"--publish={spec}: unix:{path}: Address already in use"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
    assert path.exists()
    start(world, *publish(spec))
    serve(world)
    with unix_client(path, b"peer") as client:
        assert peers.read_line(client) == w.GATEWAY4


def test_unix_socket_twice(world, native):
    """By whatever name it goes."""
    path, again = world.tmp / "web.sock", f"{world.tmp}/./web.sock"
    specs = [f"unix:{path}:{PORT}", f"unix:{again}:{PORT + 1}"]
    assert refused(world, *publish(*specs)) == [
        f"--publish={specs[1]}: unix:{again}: Address already in use"]
    assert not path.exists()


# --- what is refused ---


@both_stacks
@pytest.mark.parametrize("spec, text", [
    ("192.0.2.99:8080:80", "tcp 192.0.2.99:8080: Cannot assign requested address "
                           "(it is no address of this host)"),
    ("8080:80/sctp", "the protocol is not tcp, udp or tcp+udp"),
    ("[::1]:8080:80", "IPv6 is not switched on"),
    ("127.0.0.1:8080:[fd00::1]:80", "the guest address is not of the family of the host address"),
])
def test_publish_refused(world, spec, text):
    """One line that names the forward and the reason; no ready byte, status 1."""
    assert refused(world, *publish(spec)) == [f"--publish={spec}: {text}"]


@both_stacks
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_publish_port_in_use(world, proto):
    server = {"tcp": peers.tcp_server, "udp": peers.udp_server}[proto]
    probes.serve(world, world.host, server, "0.0.0.0", HOST_PORT)
    assert refused(world, *publish("9000", f"{HOST_PORT}/{proto}")) == [
        f"--publish={HOST_PORT}/{proto}: {proto} 0.0.0.0:{HOST_PORT}: Address already in use"]


@both_stacks
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_privileged_port(rootless_world, proto):
    """An ordinary user is told of the sysctl, and with it may have the port."""
    world, sock = rootless_world, rootless_world.tmp / "api.sock"
    sysctl = "net.ipv4.ip_unprivileged_port_start"
    line, = refused(world, *publish(f"80:{PORT}/{proto}"))
    assert line.startswith(f"--publish=80:{PORT}/{proto}: {proto} 0.0.0.0:80: Permission denied")
    assert sysctl in line
    gate = start(world, *CONFINED)
    assert sysctl in add(sock, proto=proto, host_port=80)["error"]["detail"]
    assert entries(sock) == [] and gate.stop() == 0
    probes.sysctl(world.host, ip_unprivileged_port_start="80")
    world.guest = world.new_guest()
    start(world, *CONFINED, *publish(f"80:{PORT}/{proto}"))
    assert entry(sock)["host_port"] == 80


# --- counters, and the end ---


def test_counters(world, sock, native):
    """Of each forward by itself; they grow, but for those that are there."""
    start(world, *CONFINED, *publish(f"{HOST_PORT}:{PORT}", "8081:1"))
    serve(world)
    assert peer(world, world.inet, peers.ended, w.HOST4, 8081, "x") == "ECONNRESET"
    size = 1 << 20
    assert peer(world, world.inet, peers.upload, w.HOST4, HOST_PORT, size)["bytes"] == size
    assert peer(world, world.inet, peers.download, w.HOST4, HOST_PORT, size)["bytes"] == size
    w.wait_until(lambda: entry(sock)["active"] == 0, "the connections to end")
    first, second = entries(sock)
    assert (first["accepted"], first["refused"]) == (2, 0)
    assert size < first["bytes_to_guest"] < size + 1000
    assert size < first["bytes_from_guest"] < size + 1000
    assert (second["accepted"], second["refused"], second["active"]) == (1, 1, 0)
    assert second["bytes_to_guest"] == second["bytes_from_guest"] == 0
    begin(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "note")
    probes.wait_established(world.guest, PORT)
    assert entry(sock)["active"] == 1


def test_counters_of_udp(world, sock, monkeypatch):
    """A port's clients are forgotten with it, whatever happens to connections."""
    monkeypatch.setenv("GATE4NETNS_TCP", "slirp")
    start(world, *CONFINED, *publish(f"{HOST_PORT}:{PORT}/udp"))
    probes.serve(world, world.guest, peers.udp_server, "0.0.0.0")
    probes.serve_inet(world, w.INET4)
    assert peer(world, world.inet, peers.udp_echo, w.HOST4, HOST_PORT, 100, 200) == [100, 200]
    now = entry(sock)
    assert (now["accepted"], now["refused"], now["active"]) == (2, 0, 2)
    assert now["bytes_to_guest"] == now["bytes_from_guest"] == 300
    assert w.api(sock, "remove_hostfwd", id=1, drop=True) == {"return": {}}
    assert w.api(sock, "get_stats")["return"]["udp"]["sessions"] == 0


def test_dropped_with_its_connections(world, sock, native):
    """Both ends are reset; the connections of another forward go on."""
    start(world, *CONFINED, *publish(f"{HOST_PORT}:{PORT}", f"8081:{PORT}"))
    serve(world)
    dropped = begin(world, world.inet, peers.pour, w.HOST4, HOST_PORT, ready_line="begun")
    kept = begin(world, world.inet, peers.ask, w.HOST4, 8081, "note")
    w.wait_until(lambda: [e["active"] for e in entries(sock)] == [1, 1], "both to be there")
    assert w.api(sock, "remove_hostfwd", id=1, drop=True) == {"return": {}}
    assert finish(dropped) in ("ECONNRESET", "EPIPE")
    w.wait_until(lambda: len(world.guest.run("ss", "-tnH", f"sport = :{PORT}").stdout.splitlines())
                 == 1, "the guest's end to go")
    assert peer(world, world.guest, peers.ended, "127.0.0.1", PORT, "leave_note") == "eof"
    assert finish(kept) == "left"


def test_removed_without_its_connections(world, sock, native):
    start(world, *CONFINED, *publish(f"{HOST_PORT}:{PORT}"))
    serve(world)
    kept = begin(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "note")
    probes.wait_established(world.guest, PORT)
    assert w.api(sock, "remove_hostfwd", id=1, drop=False) == {"return": {}}
    assert peer(world, world.guest, peers.ended, "127.0.0.1", PORT, "leave_note") == "eof"
    assert finish(kept) == "left"

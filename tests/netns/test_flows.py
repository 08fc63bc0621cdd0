"""list_flows and kill_flow: what is listed is what there is, and what is killed ends at both ends."""
import signal
import socket

import pytest

import flows
import hosts
import peers
import port_peers
import probes
import udp_peers
import world as w
from probes import CONFINED, PORT, begin, finish, peer

FAMILIES = pytest.mark.parametrize("version", [4, 6])
MANY = 3000
HOST_PORT = 8080
ANSWERS_PER_PAGE = 700
MEMORY_PER_FLOW = 1024
RESETS = ("ECONNRESET", "EPIPE")    # of a write, which may come after the read that was told


@pytest.fixture(name="sock")
def api_path(world):
    return world.tmp / "api.sock"


def start(world, sock, *options):
    return hosts.start(world, "-a", sock, *CONFINED, *options)


def listed(sock, **arguments):
    answer = w.api(sock, "list_flows", **arguments)
    assert "return" in answer, answer
    return answer["return"]["flows"]


def wait_listed(sock, count=1, **arguments):
    """The flows once there are so many."""
    def look():
        now = listed(sock, **arguments)
        return now if len(now) == count else None
    return w.wait_until(look, f"{count} flows of {arguments}")


def kill(sock, flow):
    assert w.api(sock, "kill_flow", id=flow["id"]) == {"return": {}}


def serve(world, version):
    probes.serve(world, world.inet, peers.tcp_server, hosts.INET[version])
    probes.serve(world, world.inet, udp_peers.udp_server, hosts.INET[version])


def without_times(flow):
    return {key: value for key, value in flow.items() if key not in ("id", "age_s", "idle_s")}


# --- what is listed ---


def test_nothing(world, sock):
    start(world, sock)
    assert w.api(sock, "list_flows", proto="tcp") == {"return": {"flows": [], "more": False}}


@FAMILIES
def test_tcp_out(world, sock, version):
    serve(world, version)
    start(world, sock)
    begin(world, world.guest, peers.hold, hosts.INET[version], PORT, 1, 1, ready_line="holding")
    flow, = wait_listed(sock, proto="tcp")
    assert without_times(flow) == {
        "proto": "tcp", "direction": "out", "state": "established",
        "guest_addr": hosts.GUEST[version], "guest_port": flow["guest_port"],
        "peer_addr": hosts.INET[version], "peer_port": PORT, "bytes_to_host": 0, "bytes_to_guest": 0}
    assert flow["age_s"] == flow["idle_s"] >= 0
    assert world.guest.run("ss", "-tnH", f"sport = :{flow['guest_port']}").stdout.strip()


@FAMILIES
def test_where_the_gateway_leads(world, sock, version):
    """Another peer on the host's side than in the guest's words: both are there."""
    probes.serve(world, world.host, peers.tcp_server, hosts.LOOPBACK[version])
    start(world, sock)
    begin(world, world.guest, peers.hold, hosts.GATEWAY[version], PORT, 1, 1, ready_line="holding")
    flow, = wait_listed(sock, proto="tcp")
    assert (flow["peer_addr"], flow["peer_port"]) == (hosts.GATEWAY[version], PORT)
    assert (flow["host_peer_addr"], flow["host_peer_port"]) == (hosts.LOOPBACK[version], PORT)


@FAMILIES
def test_tcp_in(world, sock, version):
    """A client of a forwarded port, which appears as the gateway."""
    probes.serve(world, world.guest, peers.tcp_server, hosts.ANY[version])
    start(world, sock)
    forward = hosts.publish(sock, version)["id"]
    begin(world, world.host, peers.hold, hosts.LOOPBACK[version], HOST_PORT, 1, 1,
          ready_line="holding")
    flow, = wait_listed(sock, proto="tcp")
    assert flow["direction"] == "in" and flow["forward"] == forward
    assert (flow["guest_addr"], flow["guest_port"]) == (hosts.GUEST[version], PORT)
    assert flow["peer_addr"] == hosts.GATEWAY[version]
    assert flow["host_peer_addr"] == hosts.LOOPBACK[version]
    assert flow["host_peer_port"] == flow["peer_port"]


@FAMILIES
def test_udp_out(world, sock, version):
    serve(world, version)
    start(world, sock)
    begin(world, world.guest, udp_peers.bindings, hosts.INET[version], PORT, 1,
          ready_line="holding")
    flow, = wait_listed(sock, proto="udp", peer_addr=hosts.INET[version])
    assert flow["bytes_to_host"] >= len(udp_peers.QUESTION) and flow["bytes_to_guest"] > 0
    assert without_times(flow) == {
        "proto": "udp", "direction": "out", "state": "open",
        "guest_addr": hosts.GUEST[version], "guest_port": flow["guest_port"],
        "peer_addr": hosts.INET[version], "peer_port": PORT, "peers": 1,
        "bytes_to_host": flow["bytes_to_host"], "bytes_to_guest": flow["bytes_to_guest"]}


@FAMILIES
def test_udp_in(world, sock, version):
    probes.serve(world, world.guest, udp_peers.udp_server, hosts.ANY[version])
    start(world, sock)
    forward = hosts.publish(sock, version, "udp")["id"]
    told = peer(world, world.host, port_peers.endpoint, "udp", hosts.LOOPBACK[version], HOST_PORT)
    flow, = wait_listed(sock, proto="udp", guest_port=PORT)
    assert flow["direction"] == "in" and flow["forward"] == forward
    assert flow["state"] == "answered" and "peers" not in flow
    assert [flow["peer_addr"], flow["peer_port"]] == told["seen"]
    assert (flow["host_peer_addr"], flow["host_peer_port"]) == \
        (hosts.LOOPBACK[version], told["port"])


def test_bytes(world, sock):
    """Those of payload, each way."""
    serve(world, 4)
    start(world, sock)
    client = begin(world, world.guest, flows.keep_alive, w.INET4, PORT, ready_line="ready")

    def look():
        flow, = listed(sock, proto="tcp")
        return flow["bytes_to_host"] == len("echo\n") and flow["bytes_to_guest"] == 0
    w.wait_until(look, "the line that it begins with")
    assert client.poll() is None
    drain = begin(world, world.guest, peers.drain, w.INET4, PORT, ready_line="begun")
    flow = max(listed(sock, proto="tcp"), key=lambda flow: flow["id"])
    assert flow["bytes_to_host"] == len(f"source {1 << 40}\n") and flow["bytes_to_guest"] > 0
    assert drain.poll() is None


def test_filters(world, sock):
    serve(world, 4)
    serve(world, 6)
    start(world, sock)
    for version in 4, 6:
        begin(world, world.guest, peers.hold, hosts.INET[version], PORT, 2, 2, ready_line="holding")
        begin(world, world.guest, udp_peers.bindings, hosts.INET[version], PORT, 1,
              ready_line="holding")
    wait_listed(sock, 4, proto="tcp")
    assert len(listed(sock, peer_addr=w.INET4)) == len(listed(sock, peer_addr=w.INET6)) == 3
    assert len(listed(sock, peer_addr=w.INET6, proto="tcp")) == 2
    one = listed(sock, proto="tcp")[0]
    assert [flow["id"] for flow in listed(sock, guest_port=one["guest_port"], proto="tcp")] == \
        [one["id"]]
    assert listed(sock, after=one["id"], guest_port=one["guest_port"], proto="tcp") == []


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_of_libslirp_are_not_listed(world, sock, proto):
    serve(world, 4)
    start(world, sock, f"--{proto}=slirp")
    begin(world, world.guest, peers.hold, w.INET4, PORT, 1, 1, ready_line="holding")
    begin(world, world.guest, udp_peers.bindings, w.INET4, PORT, 1, ready_line="holding")
    other, = wait_listed(sock, peer_addr=w.INET4)
    assert other["proto"] != proto


# --- many ---


def pages(sock, limit):
    """All of them, page by page."""
    after, result = 0, []
    while True:
        answer = w.api(sock, "list_flows", after=after, limit=limit, proto="tcp")["return"]
        result += answer["flows"]
        assert len(answer["flows"]) <= limit
        if not answer["more"]:
            return result
        assert len(answer["flows"]) == limit
        after = answer["flows"][-1]["id"]


def test_pages(world, sock):
    """3000 connections: each is on one page, the pages are in the order of ids, and what begins and
    ends meanwhile changes nothing for the others.
    """
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    gate = start(world, sock)
    before_kib = probes.memory_kib(gate.pid)
    holder = begin(world, world.guest, flows.idle, w.INET4, PORT, MANY, ready_line="holding")
    all_flows = pages(sock, ANSWERS_PER_PAGE)
    ids = [flow["id"] for flow in all_flows]
    assert len(ids) == MANY and ids == sorted(set(ids))
    assert len({flow["guest_port"] for flow in all_flows}) == MANY
    assert probes.memory_kib(gate.pid) - before_kib < MANY * MEMORY_PER_FLOW / 1024 + 1024
    assert len(w.api(sock, "list_flows", proto="tcp")["return"]["flows"]) == 1000
    for index in 0, ANSWERS_PER_PAGE - 1, MANY - 1:
        kill(sock, all_flows[index])
    again = [flow["id"] for flow in pages(sock, 10000)]
    assert again == [i for i in ids if i not in (ids[0], ids[ANSWERS_PER_PAGE - 1], ids[-1])]
    holder.kill()
    w.wait_until(lambda: len(pages(sock, 10000)) == 0, "the end of all")


def test_traffic_goes_on(world, sock):
    """Lists of many flows, one behind the other and from several clients, while datagrams and a stream
    cross.
    """
    serve(world, 4)
    start(world, sock)
    begin(world, world.guest, flows.idle, w.INET4, PORT, MANY // 4, ready_line="holding")
    echo = begin(world, world.guest, udp_peers.patient, w.INET4, PORT, 500)
    upload = begin(world, world.guest, peers.upload, w.INET4, PORT, 8 << 20)
    lists = 0
    while echo.poll() is None or upload.poll() is None:
        assert len(listed(sock, limit=10000)) >= MANY // 4
        lists += 1
    assert finish(echo) == 0 and lists > 0
    assert finish(upload) == peers.stream_digest(8 << 20)


def test_slow_reader(world, sock):
    """A client that does not read its list keeps nobody from theirs, and may leave in the middle."""
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    start(world, sock)
    begin(world, world.guest, flows.idle, w.INET4, PORT, MANY, ready_line="holding")
    with socket.socket(socket.AF_UNIX) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(str(sock))
        slow.sendall(b'{"execute":"list_flows","arguments":{"limit":10000}}')
        assert slow.recv(1) == b"{"
        assert len(pages(sock, 10000)) == MANY
    assert len(pages(sock, 10000)) == MANY


# --- the end of one ---


def test_unknown_id(world, sock):
    start(world, sock)
    assert w.api(sock, "kill_flow", id=12345) == {"error": {
        "desc": "bad request: kill_flow: bad arguments.id", "detail": "there is no flow 12345"}}


@FAMILIES
@pytest.mark.parametrize("way", ["pour", "drain"])
def test_kill_tcp_out(world, sock, version, way):
    """In the middle of a transfer: the guest and the server are both told by a reset."""
    serve(world, version)
    start(world, sock)
    client = begin(world, world.guest, getattr(peers, way), hosts.INET[version], PORT,
                   ready_line="begun")
    resets = probes.counter(world.inet, "EstabResets")
    flow, = wait_listed(sock, proto="tcp")
    kill(sock, flow)
    assert finish(client) in RESETS
    w.wait_until(lambda: probes.counter(world.inet, "EstabResets") > resets, "the server's reset")
    assert flow["id"] not in [left["id"] for left in listed(sock)]
    assert w.api(sock, "kill_flow", id=flow["id"])["error"]
    probes.assert_works(world, hosts.INET[version])


@FAMILIES
def test_kill_tcp_in(world, sock, version):
    probes.serve(world, world.guest, peers.tcp_server, hosts.ANY[version])
    start(world, sock)
    hosts.publish(sock, version)
    client = begin(world, world.host, peers.drain, hosts.LOOPBACK[version], HOST_PORT,
                   ready_line="begun")
    resets = probes.counter(world.guest, "EstabResets")
    flow, = wait_listed(sock, proto="tcp")
    kill(sock, flow)
    assert finish(client) in RESETS
    w.wait_until(lambda: probes.counter(world.guest, "EstabResets") > resets, "the server's reset")


@FAMILIES
def test_kill_udp_out(world, sock, version):
    """The binding is forgotten, and the next datagram makes a new one, with a port of its own."""
    serve(world, version)
    start(world, sock)
    client = begin(world, world.guest, udp_peers.bindings, hosts.INET[version], PORT, 1,
                   ready_line="holding")
    flow, = wait_listed(sock, proto="udp", peer_addr=hosts.INET[version])
    kill(sock, flow)
    assert listed(sock, proto="udp", peer_addr=hosts.INET[version]) == []
    client.send_signal(signal.SIGUSR1)
    assert finish(client) == [False, False]     # it is seen from another port
    new, = wait_listed(sock, proto="udp", peer_addr=hosts.INET[version])
    assert new["id"] > flow["id"] and new["guest_port"] == flow["guest_port"]


@FAMILIES
def test_kill_udp_in(world, sock, version):
    """The client is forgotten; the port goes on, and the client may come back."""
    probes.serve(world, world.guest, udp_peers.udp_server, hosts.ANY[version])
    start(world, sock)
    hosts.publish(sock, version, "udp")
    ask = (world, world.host, port_peers.endpoint, "udp", hosts.LOOPBACK[version], HOST_PORT)
    peer(*ask)
    flow, = wait_listed(sock, proto="udp", guest_port=PORT)
    kill(sock, flow)
    assert listed(sock, proto="udp", guest_port=PORT) == []
    assert peer(*ask)["seen"]
    assert len(wait_listed(sock, proto="udp", guest_port=PORT)) == 1

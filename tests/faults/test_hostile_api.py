"""Clients of the API socket that are silent, slow, rude or wrong harm nobody."""
import contextlib
import json
import select
import socket

import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish

MIB = 1 << 20
LIST = b'{"execute":"list_hostfwd"}'


def connect(sock):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(w.DEADLINE_S)
    client.connect(str(sock))
    return client


@pytest.fixture
def clients(sock):
    """Makes clients that say nothing, until the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(connect(sock))


def assert_api_works(sock):
    assert w.api(sock, "list_hostfwd")["entries"] == []


def test_silent_client_does_not_stop_traffic(world, sock, confinement, clients):
    probes.serve_inet(world, w.INET4)
    world.start_tap("-a", sock, *confinement)
    flow = begin(world, world.guest, peers.upload, w.INET4, PORT, 32 * MIB)
    probes.wait_established(world.inet, PORT)
    for _ in range(5):
        clients()
    clients().sendall(b'{"execute":')
    assert finish(flow) == peers.stream_digest(32 * MIB)
    probes.assert_works(world)
    assert_api_works(sock)


def test_200_silent_clients_at_once(world, sock, clients):
    """A new client is answered all the same, and the process stays idle."""
    gate = world.start_tap("-a", sock, *CONFINED)
    for _ in range(200):
        clients()
    assert_api_works(sock)
    probes.assert_idle(gate.pid)


def test_clients_that_come_and_go(world, sock):
    world.start_tap("-a", sock, *CONFINED)
    for number in range(200):
        with connect(sock) as client:
            client.sendall(LIST[:number % (len(LIST) + 1)])
    assert_api_works(sock)


def test_one_byte_at_a_time(world, sock):
    """Only a complete JSON value is answered, without waiting for the end of the stream."""
    world.start_tap("-a", sock, *CONFINED)
    with connect(sock) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        for n in range(len(LIST) - 1):
            client.sendall(LIST[n:n + 1])
            assert not select.select([client], [], [], 0)[0]
        client.sendall(LIST[-1:])
        assert json.loads(client.recv(4096))["entries"] == []


BAD_REQUESTS = {
    "nothing": b"",
    "newline": b"\n",
    "garbage": bytes(range(128, 256)) * 4,
    "nul-bytes": bytes(300),
    "4095-bytes": b"[" * 4095,
    "4096-bytes": b" " * 4096,
    "5000-bytes": b"x" * 5000,
    "a-megabyte": b"{" * MIB,
    "unfinished": b'{"execute":"list_hostfwd"',
    "nested": b"[" * 2000 + b"]" * 2000,
    "array": b'["execute"]',
    "number": b"42",
    "string": b'"list_hostfwd"',
    "null": b"null",
    "no-execute": b'{"arguments":{}}',
    "execute-number": b'{"execute":7}',
    "unknown": b'{"execute":"format_disk"}',
    "nul-inside": b'{"execute":"list\\u0000_hostfwd"}',
    "invalid-utf8": b'{"execute":"\xff\xfe"}',
    "add-without-arguments": b'{"execute":"add_hostfwd"}',
    "add-with-null-arguments": b'{"execute":"add_hostfwd","arguments":null}',
    "add-with-array": b'{"execute":"add_hostfwd","arguments":[1,2]}',
    "add-with-empty-arguments": b'{"execute":"add_hostfwd","arguments":{}}',
    "add-without-proto": b'{"execute":"add_hostfwd","arguments":{"host_port":8080,'
                         b'"guest_port":80}}',
    "add-null-proto": b'{"execute":"add_hostfwd","arguments":{"proto":null,"host_port":1,'
                      b'"guest_port":80}}',
    "add-port-70000": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":70000,'
                      b'"guest_port":80}}',
    "add-guest-port-0": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,'
                        b'"guest_port":0}}',
    "add-count-0": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8080,'
                   b'"guest_port":80,"count":0}}',
    "add-range-beyond": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":65000,'
                        b'"guest_port":80,"count":1000}}',
    "add-everything": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":1,'
                      b'"guest_port":1,"count":65535}}',
    "add-path-list": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_path":["/x"],'
                     b'"guest_port":80}}',
    "add-path-confined": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_path":"/x",'
                         b'"guest_port":80}}',
    "remove-drop-number": b'{"execute":"remove_hostfwd","arguments":{"id":1,"drop":1}}',
    "add-port-huge": b'{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":1e300,'
                     b'"guest_port":80}}',
    "remove-without-arguments": b'{"execute":"remove_hostfwd"}',
    "remove-string": b'{"execute":"remove_hostfwd","arguments":{"id":"1"}}',
    "remove-huge": b'{"execute":"remove_hostfwd","arguments":{"id":1e300}}',
    "stats-upper-case": b'{"execute":"GET_STATS"}',
    "stats-unfinished": b'{"execute":"get_stats"',
    "remove-negative": b'{"execute":"remove_hostfwd","arguments":{"id":-1}}',
}


def send_whole(sock, request):
    """As w.api_raw(), for a peer that answers and closes before it has read everything."""
    with connect(sock) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        return client.recv(65536)


def test_bad_requests_get_an_error_and_change_nothing(world, sock):
    probes.serve_inet(world, w.INET4)
    world.start_tap("-a", sock, *CONFINED)
    for name, request in BAD_REQUESTS.items():
        answer = json.loads(send_whole(sock, request))
        assert set(answer) == {"error"} and answer["error"]["desc"], name
        assert_api_works(sock)
    probes.assert_works(world)


def test_client_that_does_not_read_its_answer(world, sock):
    """Answers that nobody fetches fill their own sockets only."""
    world.start_tap("-a", sock, *CONFINED)
    for port in range(9000, 9030):
        w.api(sock, "add_hostfwd", proto="tcp", host_port=port, guest_port=80)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(connect(sock))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.sendall(LIST)
        assert len(w.api(sock, "list_hostfwd")["entries"]) == 30
    assert len(w.api(sock, "list_hostfwd")["entries"]) == 30


def test_silent_client_is_dropped(rootful_world):
    """After a while, half a request is answered as what it is, and silence is not answered."""
    sock = rootful_world.tmp / "api.sock"
    rootful_world.start_tap("-a", sock)
    with connect(sock) as silent, connect(sock) as half:
        half.sendall(b'{"execute":')
        for client in (silent, half):
            client.settimeout(3 * w.DEADLINE_S)
        assert silent.recv(4096) == b""
        assert json.loads(half.recv(4096)) == {
            "error": {"desc": "bad request: cannot parse JSON"}}
    assert_api_works(sock)

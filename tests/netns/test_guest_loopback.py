"""--guest-loopback: ports that lead to services on the guest's own loopback, and the broker behind."""
import contextlib
import os
import pathlib
import signal
import socket

import pytest

import peers
import probes
import world as w
from probes import CONFINED, PORT, begin, finish, peer, status

HOST_PORT = 8080
MIB64 = 64 << 20
BROKER = "gate4ns-broker"
GONE = "the broker has gone: clients of the guest's loopback are reset"

FAMILIES = {"ip4": (w.HOST4, "0.0.0.0", "127.0.0.1"), "ip6": (w.HOST6, "::", "::1")}


@pytest.fixture
def sock(world):
    return world.tmp / "api.sock"


@pytest.fixture(params=FAMILIES)
def family(request):
    """(address of the host, host_addr of the forward, the guest's loopback)"""
    return FAMILIES[request.param]


def add(sock, host_addr="0.0.0.0", guest_addr="127.0.0.1", **arguments):
    return w.api(sock, "add_hostfwd", **{"proto": "tcp", "host_addr": host_addr,
                                         "host_port": HOST_PORT, "guest_addr": guest_addr,
                                         "guest_port": PORT, **arguments})


def counters(sock):
    return w.api(sock, "get_stats")["return"]["loopback"]


def start(world, sock, *options, addresses=("127.0.0.1",), **kw):
    """A gate with a forward to each of these addresses."""
    gate = world.start_tap("-6", "--guest-loopback", "-a", sock, *options, **kw)
    for address in addresses:
        answer = add(sock, host_addr="::" if ":" in address else "0.0.0.0", guest_addr=address)
        assert "error" not in answer, answer
    return gate


def served(world, sock, family, *options, **kw):
    gate = start(world, sock, *options, addresses=(family[2],), **kw)
    probes.serve(world, world.guest, peers.tcp_server, family[2])
    return gate


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def broker_of(gate):
    return next(pid for pid in children(gate.pid) if status(pid)["Name"] == BROKER)


def pipes(pid):
    """The ends of pipes that a process has."""
    found = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            found += os.readlink(fd).startswith("pipe:")
    return found


# --- traffic ---


def test_client_of_the_service_is_its_own_loopback(world, sock, family, confinement):
    served(world, sock, family, *confinement)
    assert peer(world, world.inet, peers.ask, family[0], HOST_PORT, "peer") == family[2]
    assert peer(world, world.inet, peers.duplex, family[0], HOST_PORT, 1 << 20) == \
        peers.stream_digest(1 << 20)


def test_with_libslirps_tcp(world, sock, family, monkeypatch):
    monkeypatch.setenv("GATE4NETNS_TCP", "slirp")
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, peers.ask, family[0], HOST_PORT, "peer") == family[2]


@pytest.mark.parametrize("client", [peers.upload, peers.download, peers.duplex])
def test_bulk(world, sock, family, client):
    """Every byte of it, and none of it copied by us."""
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, client, family[0], HOST_PORT, MIB64) == \
        peers.stream_digest(MIB64)
    assert counters(sock)["no_pipe"] == 0


def test_half_close_of_the_client(world, sock, family):
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, peers.late, family[0], HOST_PORT, 1 << 20) == \
        peers.stream_digest(1 << 20)


def test_half_close_of_the_service(world, sock, family):
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, peers.first, family[0], HOST_PORT, 1 << 20) == \
        [peers.stream_digest(1 << 20)] * 2


@pytest.mark.parametrize("how,seen", [("reset", "reset"), ("close", "eof")])
def test_end_by_the_client(world, sock, family, how, seen):
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, peers.end_by, family[0], HOST_PORT, how) == seen


def test_reset_by_the_service(world, sock, family):
    served(world, sock, family, *CONFINED)
    assert peer(world, world.inet, peers.ended, family[0], HOST_PORT, "reset") == "ECONNRESET"


def test_refused_and_then_not(world, sock, family):
    """Refused is a reset at once; a service that starts later is found."""
    start(world, sock, *CONFINED, addresses=(family[2],))
    assert peer(world, world.inet, peers.ended, family[0], HOST_PORT, "peer") == "ECONNRESET"
    assert counters(sock)["refused"] == 1
    probes.serve(world, world.guest, peers.tcp_server, family[2])
    assert peer(world, world.inet, peers.ask, family[0], HOST_PORT, "peer") == family[2]


def test_many_at_once(world, sock):
    """All are joined at the same time; afterwards nothing of them is left."""
    gate = served(world, sock, FAMILIES["ip4"], *CONFINED)
    before = probes.descriptors(gate.pid) if not world.rootless else None
    assert peer(world, world.inet, peers.many, w.HOST4, HOST_PORT, 500) == 500
    w.wait_until(lambda: counters(sock)["streams"] == 0, "the end of the streams")
    seen = counters(sock)
    assert (seen["accepted"], seen["ended"], seen["failed"]) == (500, 500, 0)
    if before is not None:          # pipes that are kept for the next
        assert probes.descriptors(gate.pid) <= before + 2 * 16 + 2
    probes.assert_idle(gate.pid)


def test_idle_connection_holds_no_pipe(world, sock):
    gate = served(world, sock, FAMILIES["ip4"])
    before = pipes(gate.pid)
    holding = begin(world, world.inet, peers.hold, w.HOST4, HOST_PORT, 100, 100,
                    ready_line="holding")
    w.wait_until(lambda: counters(sock)["streams"] == 100, "all streams")
    assert pipes(gate.pid) <= before + 2        # one, kept for the next bytes
    probes.assert_idle(gate.pid)
    holding.kill()
    w.wait_until(lambda: counters(sock)["streams"] == 0, "the end of the streams")


def test_removed_forward(world, sock):
    """Connections stay, new ones are refused by the host."""
    served(world, sock, FAMILIES["ip4"], *CONFINED)
    holding = begin(world, world.inet, peers.hold, w.HOST4, HOST_PORT, 1, 1, ready_line="holding")
    w.wait_until(lambda: counters(sock)["streams"] == 1, "the stream")
    assert w.api(sock, "remove_hostfwd", id=1) == {"return": {}}
    assert peer(world, world.inet, peers.connect, w.HOST4, HOST_PORT) == "ECONNREFUSED"
    assert counters(sock)["streams"] == 1
    holding.kill()


def entry(sock):
    return w.api(sock, "list_hostfwd")["entries"][0]


def test_counters_of_the_forward(world, sock):
    served(world, sock, FAMILIES["ip4"], *CONFINED)
    assert peer(world, world.inet, peers.upload, w.HOST4, HOST_PORT, 1 << 20) == \
        peers.stream_digest(1 << 20)
    w.wait_until(lambda: entry(sock)["active"] == 0, "the end of the stream")
    seen = entry(sock)
    assert (seen["accepted"], seen["refused"]) == (1, 0)
    assert seen["bytes_to_guest"] == len("sink\n") + (1 << 20)
    assert 0 < seen["bytes_from_guest"] < 1000


def test_dropped_connections(world, sock):
    """With "drop" a forward takes its connections with it."""
    served(world, sock, FAMILIES["ip4"], *CONFINED)
    draining = begin(world, world.inet, peers.drain, w.HOST4, HOST_PORT, ready_line="begun")
    assert w.api(sock, "remove_hostfwd", id=1, drop=True) == {"return": {}}
    assert finish(draining) == "ECONNRESET"
    assert counters(sock)["streams"] == 0


@pytest.mark.parametrize("tcp", ["native", "slirp"])
def test_published(world, sock, tcp):
    """A range, and a port of the kernel's choice."""
    world.start_tap("-a", sock, *CONFINED, "--guest-loopback", f"--tcp={tcp}",
                    "--publish=8080-8081:127.0.0.1:7000-7001", "--publish=0:127.0.0.1:7000")
    for port in (PORT, PORT + 1):
        probes.serve(world, world.guest, peers.tcp_server, "127.0.0.1", port)
    chosen = w.api(sock, "list_hostfwd")["entries"][1]["host_port"]
    for port in (8080, 8081, chosen):
        assert peer(world, world.inet, peers.ask, w.HOST4, port, "peer") == "127.0.0.1"


def test_unix_socket(world, sock, family):
    """Its clients get to the guest's loopback too."""
    path = world.tmp / "published.sock"
    start(world, sock, addresses=())
    probes.serve(world, world.guest, peers.tcp_server, family[2])
    answer = w.api(sock, "add_hostfwd", proto="tcp", host_path=str(path), guest_addr=family[2],
                   guest_port=PORT)
    assert "error" not in answer, answer
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"echo\nthe same")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"the same"


def test_udp_is_refused(world, sock):
    start(world, sock, addresses=())
    assert add(sock, proto="udp")["error"]["detail"] == \
        "udp 0.0.0.0:8080: Operation not supported (only TCP gets to the guest's loopback)"
    assert w.api(sock, "list_hostfwd")["entries"] == []


def test_without_the_option(world, sock):
    """No broker, and the guest's loopback stays out of reach."""
    gate = world.start_tap("-a", sock, *CONFINED)
    probes.serve(world, world.guest, peers.tcp_server, "127.0.0.1")
    add(sock)
    assert "loopback" not in w.api(sock, "get_stats")["return"]
    assert BROKER not in [status(pid)["Name"] for pid in children(gate.pid)]
    assert peer(world, world.inet, peers.ended, w.HOST4, HOST_PORT, "peer") != "data"


# --- the broker ---


def test_broker_has_nothing(world, sock, confinement):
    """Whatever the engine's confinement is, the broker has its own."""
    gate = start(world, sock, *confinement)
    pid = broker_of(gate)
    facts = status(pid)
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[which], 16) == 0, which
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    proc = pathlib.Path(f"/proc/{pid}")
    links = {fd.name: os.readlink(fd) for fd in (proc / "fd").iterdir()}
    assert {links.pop(name) for name in "012"} == {"/dev/null"}
    assert [link.partition(":")[0] for link in links.values()] == ["socket"]
    assert os.listdir(proc / "root") == []
    assert os.readlink(proc / "ns/net") == os.readlink(f"/proc/{world.guest.pid}/ns/net")
    assert os.readlink(proc / "ns/user") == os.readlink(f"/proc/{world.guest.pid}/ns/user")
    assert os.readlink(proc / "ns/mnt") != os.readlink(f"/proc/{world.guest.pid}/ns/mnt")


TRACE = r"""
import ctypes, os, sys
libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
PIDFD_GETFD, PTRACE_SEIZE = 438, 0x4206
pidfd = os.pidfd_open(pid)
ways = {name: lambda name=name: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        for name in ("mem", "maps", "environ", "root", "cwd", "ns/mnt", "ns/net")}
ways["fd"] = lambda: os.readlink(f"/proc/{pid}/fd/0")
ways["pidfd_getfd"] = lambda: os.close(call(libc.syscall, PIDFD_GETFD, pidfd, 0, 0))
ways["ptrace"] = lambda: call(libc.ptrace, PTRACE_SEIZE, pid, 0, 0)
def call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result
for name, way in ways.items():
    try:
        way()
        print(name)
    except OSError:
        pass
"""


def test_guest_may_not_trace_the_broker(rootless_world):
    """Its root has all capabilities there, but not over a process that is not dumpable."""
    world = rootless_world
    gate = start(world, world.tmp / "api.sock")

    def ways_into(pid):
        return world.guest.run("python3", "-c", TRACE, str(pid)).stdout.split()

    assert len(ways_into(world.guest.pid)) == 10
    assert ways_into(broker_of(gate)) == []


def test_caller_does_not_wait_for_the_broker(world, sock, confinement):
    """Nothing of the caller's stays open in it."""
    with probes.pipe() as (alive_r, alive_w):
        gate = start(world, sock, *confinement, extra_fds=[alive_w])
        assert probes.holders(alive_w) == {gate.pid}
    assert gate.stop() == 0


@pytest.mark.parametrize("how", ["exit-fd", signal.SIGTERM, signal.SIGKILL], ids=str)
def test_broker_ends_with_the_engine(world, sock, confinement, how):
    gate = start(world, sock, *confinement)
    pid = broker_of(gate)
    if how == "exit-fd":
        assert gate.stop() == 0
        assert not w.pid_alive(pid)
    else:
        gate.process.send_signal(how)
        gate.wait()
        w.wait_until(lambda: not w.pid_alive(pid) or status(pid)["State"][0] == "Z",
                     "the end of the broker")


def test_stopped_broker_ends_too(world, sock):
    """One that cannot read the end of its socket dies of the engine's death."""
    gate = start(world, sock)
    pid = broker_of(gate)
    os.kill(pid, signal.SIGSTOP)
    assert gate.stop() == 0
    w.wait_until(lambda: not w.pid_alive(pid) or status(pid)["State"][0] == "Z",
                 "the end of the broker")


def test_killed_broker(world, sock, confinement):
    """Clients are reset, one line says why, and all else goes on."""
    gate = served(world, sock, FAMILIES["ip4"], *confinement)
    probes.serve_inet(world, w.INET4)
    holding = begin(world, world.inet, peers.drain, w.HOST4, HOST_PORT, ready_line="begun")
    os.kill(broker_of(gate), signal.SIGKILL)
    for _ in range(20):
        assert peer(world, world.inet, peers.ended, w.HOST4, HOST_PORT, "peer") == "ECONNRESET"
    assert [line for line in probes.errors(gate) if "broker" in line] == [GONE]
    assert counters(sock)["no_broker"] == 20
    assert counters(sock)["streams"] == 1       # what was connected stays so
    holding.kill()
    probes.assert_works(world)
    probes.assert_idle(gate.pid)
    assert gate.stop() == 0


@pytest.mark.parametrize("options", [["--target-type=bess", "x.sock"],
                                     ["--netns-type=tapfd", "3"]], ids=["bess", "tapfd"])
def test_without_a_namespace_to_join(world, options):
    gate = world.start("--guest-loopback", *options, wait=False)
    assert gate.wait() == 1
    assert gate.stderr() == (f"--guest-loopback conflicts with {options[0]}: "
                             "there is no namespace to join\n")


def test_namespace_by_path(world, sock):
    net = f"/proc/{world.guest.pid}/ns/net"
    user = [f"--userns-path=/proc/{world.guest.pid}/ns/user"] if world.rootless else []
    world.start("-c", "--guest-loopback", "-a", sock, *CONFINED, "--netns-type=path", *user, net,
                "tap0")
    probes.serve(world, world.guest, peers.tcp_server, "127.0.0.1")
    assert "error" not in add(sock)
    assert peer(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "peer") == "127.0.0.1"


def test_root_in_a_users_namespaces(rootless_world, confinement):
    """The caller's ids mean nothing in the user namespace that the broker joins."""
    world = rootless_world
    gate = served(world, world.tmp / "api.sock", FAMILIES["ip4"], *confinement, user=[])
    assert peer(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "peer") == "127.0.0.1"
    assert int(status(broker_of(gate))["CapEff"], 16) == 0


def test_root_of_a_user_namespace(rootless_world, confinement):
    """As rootless podman does: caller and guest share a user namespace."""
    world = rootless_world
    podman = world.new_user_namespace()
    world.guest = world.new_guest_inside(podman)
    inside = [*world.as_user(), "nsenter", f"--target={podman.pid}", "--user", "--mount",
              "--preserve-credentials", "--"]
    gate = served(world, world.tmp / "api.sock", FAMILIES["ip4"], *confinement, user=inside)
    assert peer(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "peer") == "127.0.0.1"
    assert int(status(broker_of(gate))["CapEff"], 16) == 0


# --- want of descriptors ---


def test_more_clients_than_descriptors(world, sock):
    """Half of the descriptors are for them; the others wait in the backlog, and get their turn."""
    gate = start(world, sock, user=[*world.as_user(), "prlimit", "--nofile=64:64"])
    probes.serve(world, world.guest, peers.tcp_server, "127.0.0.1")
    holding = begin(world, world.inet, peers.hold, w.HOST4, HOST_PORT, 60, 60,
                    ready_line="holding")
    w.wait_until(lambda: counters(sock)["streams"] == 16, "as many streams as there may be")
    waiting = begin(world, world.inet, peers.ask, w.HOST4, HOST_PORT, "peer")
    probes.assert_idle(gate.pid)
    seen = counters(sock)
    assert (seen["limit"], seen["accepted"], seen["failed"]) == (16, 16, 0)
    holding.kill()
    assert finish(waiting) == "127.0.0.1"

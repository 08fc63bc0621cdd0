"""ctl: every verb, as a table and as JSON; whom it asks, and what it does with one that makes no sense."""
import json
import os
import socket
import stat
import subprocess
import threading

import pytest

import flows
import hosts
import peers
import probes
import udp_peers
import world as w
from probes import CONFINED, PORT, begin, peer

HOST_PORT = 8080


class Control:
    """Somebody with a run directory, who starts networks and asks them."""

    def __init__(self, world):
        self.world = world
        self.run = world.tmp / "run"
        self.directory = self.run / "gate4netns"
        self.run.mkdir()
        self.directory.mkdir(mode=0o700)
        if world.rootless:
            for path in self.run, self.directory:
                os.chown(path, w.USER, w.USER)

    def sock(self, name):
        return self.directory / f"{name}.sock"

    def start(self, name, *options, guest=None):
        """A network whose API is where ctl looks for it."""
        gate = self.world.start("-c", "-6", "-a", self.sock(name), *CONFINED, *options,
                                (guest or self.world.guest).pid, "tap0")
        if not guest:
            self.world.guest.run("ip", "addr", "add", hosts.GUEST6 + "/64", "dev", "tap0", "nodad")
        return gate

    def call(self, *words, **env):
        """Its status, output and errors."""
        done = subprocess.run([*self.world.as_caller(), w.binary(), "ctl", *map(str, words)],
                              env={**os.environ, "XDG_RUNTIME_DIR": str(self.run), **env},
                              capture_output=True, text=True, timeout=w.DEADLINE_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def says(self, *words):
        status, out, err = self.call(*words)
        assert (status, err) == (0, ""), (words, out, err)
        return out

    def rows(self, *words):
        """A table: a dict for each row, and that its columns are aligned."""
        lines = self.says(*words).splitlines()
        titles = lines[0].split()
        assert len({len(line) for line in lines}) == 1 or not lines[0].startswith(" "), lines
        return [dict(zip(titles, line.split())) for line in lines[1:]]

    def json(self, *words):
        out = self.says(*words, "--json")
        assert out.count("\n") == 1 and out.endswith("\n")
        return json.loads(out)

    def fails(self, *words, **env):
        status, out, err = self.call(*words, **env)
        assert (status, out) == (1, "") and err.count("\n") == 1, (status, out, err)
        return err.strip()


@pytest.fixture(name="ctl")
def control(world):
    return Control(world)


# --- forwards ---


def test_forwards(world, ctl):
    """Added, listed, used, removed."""
    ctl.start("web")
    assert ctl.rows("forwards", "list") == [] == ctl.json("forwards", "list")["entries"]
    assert ctl.says("forwards", "add", f"127.0.0.1:{HOST_PORT}:{PORT}") == "1\n"
    probes.serve(world, world.guest, peers.tcp_server, w.GUEST4)
    assert peer(world, world.host, peers.ask, "127.0.0.1", HOST_PORT, "peer") == w.GATEWAY4
    row, = ctl.rows("forwards", "list")
    assert row["ID"] == "1" and row["PROTO"] == "tcp" and row["ACCEPTED"] == "1"
    assert (row["HOST"], row["GUEST"]) == (f"127.0.0.1:{HOST_PORT}", f"{w.GUEST4}:{PORT}")
    entry, = ctl.json("forwards", "list")["entries"]
    assert entry == w.api(ctl.sock("web"), "list_hostfwd")["entries"][0]
    assert ctl.says("forwards", "remove", 1) == ""
    assert ctl.rows("forwards", "list") == []
    assert peer(world, world.host, peers.connect, "127.0.0.1", HOST_PORT) == "ECONNREFUSED"


@pytest.mark.parametrize("spec,entries", [
    ("8000-8002:9000-9002", [("tcp", "[::]:8000-8002", "9000-9002")]),
    ("192.0.2.1:81:10.0.2.50:80/udp", [("udp", "192.0.2.1:81", "10.0.2.50:80")]),
    ("[::1]:81:[fd00::50]:80", [("tcp", "[::1]:81", "[fd00::50]:80")]),
    ("127.0.0.1:53:54/tcp+udp", [("tcp", "127.0.0.1:53", ":54"), ("udp", "127.0.0.1:53", ":54")]),
])
def test_specs(world, ctl, spec, entries):
    """SPEC is that of --publish, in all its forms."""
    world.host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start")
    ctl.start("web")
    assert ctl.says("forwards", "add", spec) == "".join(f"{i + 1}\n" for i in range(len(entries)))
    rows = ctl.rows("forwards", "list")
    assert [(row["PROTO"], row["HOST"]) for row in rows] == [entry[:2] for entry in entries]
    assert all(row["GUEST"].endswith(entry[2]) for row, entry in zip(rows, entries))


def test_both_families_where_there_are(world, ctl):
    """Without IPv6 a forward without an address is at 0.0.0.0, as --publish has it."""
    world.start_tap("-a", ctl.sock("web"), *CONFINED)
    ctl.says("forwards", "add", f"{HOST_PORT}:{PORT}")
    assert ctl.rows("forwards", "list")[0]["HOST"] == f"0.0.0.0:{HOST_PORT}"


def test_chosen_port(ctl):
    ctl.start("web")
    word, text, port = ctl.says("forwards", "add", f"127.0.0.1:0:{PORT}").split()
    assert (word, text) == ("1", "port") and int(port) > 0
    assert ctl.json("forwards", "add", f"127.0.0.1:0:{PORT}")["tcp"]["id"] == 2


def test_unix_socket(world, ctl):
    """Of a forward: as --publish makes it, and as the sandbox forbids it later."""
    path = world.tmp / "run" / "service.sock"
    ctl.start("web", f"--publish=unix:{path}:{PORT}")
    assert ctl.rows("forwards", "list")[0]["HOST"] == f"unix:{path}"
    assert str(path) in ctl.fails("forwards", "add", f"unix:{path}2:{PORT}")


def test_all_or_nothing(world, ctl):
    """The port is free for TCP and taken for UDP: then it is forwarded for neither."""
    ctl.start("web")
    probes.serve(world, world.host, udp_peers.udp_server, "127.0.0.1", HOST_PORT)
    error = ctl.fails("forwards", "add", f"127.0.0.1:{HOST_PORT}:{PORT}/tcp+udp")
    assert error == ("bad request: add_hostfwd: slirp_add_hostfwd failed: "
                     f"udp 127.0.0.1:{HOST_PORT}: Address already in use")
    assert ctl.rows("forwards", "list") == []


def test_remove_and_drop(world, ctl):
    probes.serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    ctl.start("web")
    ends = []
    for drop in ([], ["--drop"]):
        number = ctl.says("forwards", "add", f"127.0.0.1:{HOST_PORT}:{PORT}").strip()
        client = begin(world, world.host, peers.drain, "127.0.0.1", HOST_PORT, ready_line="begun")
        ctl.says("forwards", "remove", number, *drop)
        ends.append(client)
    assert probes.finish(ends[1]) == "ECONNRESET"
    assert ends[0].poll() is None               # it has outlived its forward


# --- flows and counters ---


def test_flows(world, ctl):
    probes.serve_inet(world, w.INET4)
    ctl.start("web")
    client = begin(world, world.guest, peers.drain, w.INET4, PORT, ready_line="begun")
    row, = [row for row in ctl.rows("flows", "list") if row["PROTO"] == "tcp"]
    assert row["DIR"] == "out" and row["STATE"] == "established" and row["FORWARD"] == "-"
    assert row["GUEST"].startswith(w.GUEST4) and row["PEER"] == f"{w.INET4}:{PORT}"
    assert row["AGE"].endswith("s") and row["IDLE"].endswith("s")
    flow, = [flow for flow in ctl.json("flows", "list")["flows"] if flow["proto"] == "tcp"]
    assert str(flow["id"]) == row["ID"] and flow["bytes_to_guest"] > 0
    assert ctl.says("flows", "kill", row["ID"]) == ""
    assert probes.finish(client) == "ECONNRESET"
    assert ctl.fails("flows", "kill", row["ID"]) == \
        f"bad request: kill_flow: bad arguments.id: there is no flow {row['ID']}"


def test_flows_of_many_peers(world, ctl):
    probes.serve(world, world.inet, peers.udp_server, w.INET4)
    probes.serve(world, world.inet, peers.udp_server, w.INET4, PORT + 1)
    ctl.start("web")
    for port in PORT, PORT + 1:
        peer(world, world.guest, peers.udp_ask, w.INET4, port, "peer", 5000)
    assert "(2 peers)" in ctl.says("flows", "list")


def test_all_pages(world, ctl):
    probes.serve(world, world.inet, flows.flow_server, w.INET4)
    ctl.start("web")
    begin(world, world.guest, flows.idle, w.INET4, PORT, 2300, ready_line="holding")
    assert sum(flow["proto"] == "tcp" for flow in ctl.json("flows", "list")["flows"]) == 2300
    assert sum(row["PROTO"] == "tcp" for row in ctl.rows("flows", "list")) == 2300


def test_stats(ctl):
    ctl.start("web")
    ctl.says("forwards", "add", f"127.0.0.1:{HOST_PORT}:{PORT}")
    counters = {row["COUNTER"]: row["VALUE"] for row in ctl.rows("stats")}
    assert counters["ports.forwards"] == "1" and counters["gate.drops.tftp"] == "0"
    assert ctl.json("stats")["ports"]["forwards"] == 1


# --- whom it asks ---


def test_which(world, ctl):
    """None, one, two; by name, by path; one that has been killed, whose file is left."""
    nobody = "no network is running that has its API socket in the default place"
    assert ctl.fails("stats") == nobody
    ctl.sock("dead").touch()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(ctl.sock("stale")))
    stale.close()
    if world.rootless:
        os.chown(ctl.sock("stale"), w.USER, w.USER)
        os.chown(ctl.sock("dead"), w.USER, w.USER)
    assert ctl.fails("stats") == nobody
    web = ctl.start("web")
    ctl.says("stats")
    ctl.says("web", "stats")
    ctl.start("db", guest=world.new_guest())
    assert ctl.fails("stats") == "which network?; running: db, web"
    assert ctl.fails("mail", "stats") == "no network is named \"mail\"; running: db, web"
    ctl.says("web", "forwards", "add", f"127.0.0.1:{HOST_PORT}:{PORT}")
    assert len(ctl.rows("web", "forwards", "list")) == 1
    assert ctl.rows("db", "forwards", "list") == []
    assert len(ctl.rows(ctl.sock("web"), "forwards", "list")) == 1
    assert "cannot connect" in ctl.fails("stale", "stats")
    web.process.kill()          # the keeper removes its socket
    w.wait_until(lambda: not ctl.sock("web").exists(), "the end of the socket")
    ctl.says("stats")


def test_no_directory(world, ctl):
    assert "no network is running" in ctl.fails("stats", XDG_RUNTIME_DIR=str(world.tmp / "none"))
    if world.rootless:
        assert "no network is running" in ctl.fails("stats", XDG_RUNTIME_DIR="")


@pytest.mark.parametrize("wrong", ["owner", "mode", "link", "file"])
def test_directory_of_a_stranger(ctl, wrong):
    """Whoever can put a socket there could play the program."""
    ctl.start("web")
    if wrong == "owner":
        os.chown(ctl.directory, 4711, 4711)
    elif wrong == "mode":
        ctl.directory.chmod(0o770)
    else:
        ctl.directory.rename(ctl.run / "elsewhere")
        if wrong == "link":
            ctl.directory.symlink_to(ctl.run / "elsewhere")
        else:
            ctl.directory.touch()
    assert ctl.fails("stats") in ("the directory of API sockets is not ours alone",
                                  "API sockets: Permission denied")


# --- what it cannot do ---


@pytest.mark.parametrize("words", [
    (), ("web",), ("forwards",), ("flows", "add", "80"), ("forwards", "add"), ("stats", "1"),
    ("forwards", "list", "1"), ("web", "web", "stats")])
def test_usage(ctl, words):
    assert "usage: gate4netns ctl" in ctl.fails(*words)


@pytest.mark.parametrize("words,error", [
    (("forwards", "remove", "x"), "forwards remove: \"x\" is no ID"),
    (("flows", "kill", "-1"), None),
    (("flows", "kill", "0"), "flows kill: \"0\" is no ID"),
    (("forwards", "add", "80/sctp"), "80/sctp: the protocol is not tcp, udp or tcp+udp"),
    (("forwards", "remove", "99"), "bad request: remove_hostfwd: bad arguments.id"),
    (("--drop", "stats"), "--drop goes with \"forwards remove\" only"),
])
def test_bad_operands(ctl, words, error):
    ctl.start("web")
    status, out, err = ctl.call(*words)
    assert status == 1 and out == "" and err
    assert error is None or err == error + "\n"


def serve_nonsense(world, path, answer):
    """A server that says this to everybody: None is silence, an iterator goes on for ever."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    if world.rootless:
        os.chown(path, w.USER, w.USER)
    listener.listen()
    kept = []

    def serve():
        while True:
            try:
                client = listener.accept()[0]
                if answer is None:
                    kept.append(client)
                    continue
                client.recv(65536)
                for piece in answer:
                    client.sendall(piece)
                client.close()
            except OSError:
                if listener.fileno() < 0:
                    return
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener


def endless():
    while True:
        yield b" " * (1 << 20)


@pytest.mark.parametrize("answer,error", [
    ([b""], "the answer makes no sense"),
    ([b"garbage"], "the answer makes no sense"),
    ([b"[1]"], "the answer makes no sense"),
    ([b"{}"], "the answer makes no sense"),
    ([b'{"return":1}'], "the answer makes no sense"),
    ([b'{"return":{}'], "the answer makes no sense"),
    ([b'{"error":1}'], ""),
    (endless(), "Message too long"),
], ids=["nothing", "garbage", "array", "empty", "number", "cut", "error", "endless"])
def test_garbage(world, ctl, answer, error):
    listener = serve_nonsense(world, ctl.sock("bad"), answer)
    with listener:
        assert error in ctl.fails(ctl.sock("bad"), "stats")
        listener.shutdown(socket.SHUT_RDWR)


def test_silence(world, ctl):
    """It gives up, by itself."""
    listener = serve_nonsense(world, ctl.sock("silent"), None)
    with listener:
        assert "no answer: Connection timed out" in ctl.fails(ctl.sock("silent"), "stats")
        listener.shutdown(socket.SHUT_RDWR)


def test_nothing_but_text(world, ctl):
    """What a server says does not steer the terminal."""
    evil = "\x1b]0;x\x07\nfake\x9b"
    said = json.dumps({"return": {"entries": [{"id": 1, "proto": evil, "host_addr": evil}]}})
    listener = serve_nonsense(world, ctl.sock("evil"), [said.encode()])
    with listener:
        for flag in [], ["--json"]:
            out = ctl.says(ctl.sock("evil"), "forwards", "list", *flag)
            assert out.replace("\n", "").isprintable() and out.count("\n") == 2 - len(flag)
        listener.shutdown(socket.SHUT_RDWR)
    said = json.dumps({"error": {"desc": evil, "detail": evil}})
    listener = serve_nonsense(world, ctl.sock("evil2"), [said.encode()])
    with listener:
        assert ctl.fails(ctl.sock("evil2"), "stats").isprintable()
        listener.shutdown(socket.SHUT_RDWR)


def test_mode_of_compat(ctl):
    """slirp4netns' dialect leaves it to the umask, as slirp4netns does."""
    before = os.umask(0o027)
    try:
        ctl.start("web")
    finally:
        os.umask(before)
    assert stat.S_IMODE(ctl.sock("web").stat().st_mode) == 0o750

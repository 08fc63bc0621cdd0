"""Programs of others over the guest's UDP, as clients and as servers behind a published port:
dnsmasq and dig, iperf3, DTLS of OpenSSL, QUIC of ngtcp2, WireGuard.
"""
import contextlib
import hashlib
import json
import os
import select
import shutil
import subprocess

import pytest

import hosts
import probes
import world as w
from probes import CONFINED, FULL

MIB = 1 << 20
QUIC_BYTES = (256 if FULL else 8) * MIB
IPERF_PORT, DNS_PORT = 5201, 5353
HOST_PORT = 8080
NAME, ADDRESS = "gate.test", "198.51.100.7"
WG_PORT, WG_MTU = 51820, 1280
WG_ADDRESS = {"outer": "172.16.0.1", "inner": "172.16.0.2"}
LINES = 40
LINE_BYTES = 1300                       # of hex: OpenSSL sends no DTLS record in fragments

# Where the server is, and under which address and port its client finds it
WAYS = pytest.mark.parametrize("way", ["from the guest", "to the guest"])


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} here")


@pytest.fixture(autouse=True)
def native_stacks(monkeypatch):
    """Our own TCP and UDP; and the daemons that an ordinary user's PATH does not name."""
    for name in "TCP", "UDP":
        monkeypatch.setenv(f"GATE4NETNS_{name}", "native")
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/sbin")


@pytest.fixture
def net(rootless_world):
    """A world whose guest has its network."""
    hosts.start(rootless_world, "-a", rootless_world.tmp / "api.sock", *CONFINED)
    return rootless_world


class Way:
    """The two ends of one conversation, whichever of them the guest is."""

    def __init__(self, world, way, port, *protocols):
        self.port = port
        if way == "from the guest":
            self.server, self.client = world.inet, world.guest
            self.listen, self.address, self.client_port = w.INET4, w.INET4, port
        else:
            self.server, self.client = world.guest, world.inet
            self.listen, self.address, self.client_port = w.GUEST4, w.HOST4, HOST_PORT
            for proto in protocols:
                answer = w.api(world.tmp / "api.sock", "add_hostfwd", proto=proto,
                               host_addr="0.0.0.0", host_port=HOST_PORT, guest_addr=w.GUEST4,
                               guest_port=port)
                assert "error" not in answer, answer


# --- DNS ---


def nameserver(world, ns, address):
    large = ",".join(["x" * 250] * 12)
    world.spawn(ns, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--pid-file=", "--edns-packet-max=4096", "--bind-interfaces",
                f"--port={DNS_PORT}", f"--listen-address={address}", f"--address=/{NAME}/{ADDRESS}",
                f"--txt-record=large.{NAME},{large}", ready_line="started")


def dig(ns, address, port, *more):
    return ns.run("dig", "+short", "+time=5", "+tries=2", "+notcp", "+bufsize=4096", f"@{address}",
                  "-p", port, *more).stdout.strip()


@needs("dnsmasq", "dig")
@WAYS
def test_dns(net, way):
    """A short answer, and one that takes three fragments; the inet namespace is the other end."""
    ends = Way(net, way, DNS_PORT, "udp")
    nameserver(net, ends.server, ends.listen)
    assert dig(ends.client, ends.address, ends.client_port, NAME, "A") == ADDRESS
    large = dig(ends.client, ends.address, ends.client_port, "+ignore", f"large.{NAME}", "TXT")
    assert large.count("x" * 250) == 12


@needs("dnsmasq", "dig")
def test_dns_of_the_host(net):
    """A nameserver that listens on the host's loopback only is asked at the gateway's address."""
    nameserver(net, net.host, "127.0.0.1")
    assert dig(net.guest, w.GATEWAY4, DNS_PORT, NAME, "A") == ADDRESS


# --- iperf3 ---


@needs("iperf3")
@WAYS
@pytest.mark.parametrize("direction", [(), ("--reverse",)], ids=["up", "down"])
def test_iperf3(net, way, direction):
    """20 Mbit/s arrive but for what the machine's other work makes a socket overflow by."""
    ends = Way(net, way, IPERF_PORT, "tcp", "udp")
    net.spawn(ends.server, "iperf3", "--server", "--one-off", "--forceflush", "--bind", ends.listen,
              "--port", IPERF_PORT, ready_line="Server listening")
    done = ends.client.run("iperf3", "--client", ends.address, "--port", ends.client_port, "--json",
                           "--udp", "--bitrate", "20M", "--length", 1200, "--time", 1, *direction)
    total = json.loads(done.stdout)["end"]["sum"]
    assert total["packets"] > 1000
    assert total["lost_packets"] < total["packets"] / 10


# --- DTLS and QUIC ---


@pytest.fixture
def certificate(net):
    """A key and a certificate for it, as files."""
    key, cert = net.tmp / "key.pem", net.tmp / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o644)
    return key, cert


class Talker:
    """A program that passes its standard input on, and prints what it is told."""

    def __init__(self, ns, *argv):
        self.process = ns.popen(*argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        self.heard = b""

    def say(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, line):
        """Wait until it has been told this line."""
        while line + b"\n" not in self.heard:
            readable, _, _ = select.select([self.process.stdout], [], [], w.DEADLINE_S)
            piece = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert piece, f"waited for {line[:20]!r}..., heard {self.heard[-300:]!r}"
            self.heard += piece
        self.heard = self.heard.split(line + b"\n", 1)[1]

    def close(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def dtls(world, ends, certificate):
    """A server and a client that have shaken hands."""
    key, cert = certificate
    server = Talker(ends.server, "openssl", "s_server", "-dtls1_2", "-quiet", "-accept",
                    f"{ends.listen}:{ends.port}", "-key", key, "-cert", cert)
    with contextlib.closing(server):
        world.wait_listening(ends.server, ends.port, "udp")
        client = Talker(ends.client, "openssl", "s_client", "-dtls1_2", "-quiet", "-connect",
                        f"{ends.address}:{ends.client_port}", "-CAfile", cert,
                        "-verify_return_error")
        with contextlib.closing(client):
            yield server, client


def assert_talk(talkers, number):
    for here, there in (talkers, talkers[::-1]):
        line = os.urandom(LINE_BYTES // 2 if number % 2 else 10).hex().encode()
        here.say(line)
        there.hear(line)


@needs("openssl")
def test_dtls_two_at_once(net, certificate):
    """The guest is client of one and server of the other; short records and full ones."""
    with dtls(net, Way(net, "from the guest", 4433, "udp"), certificate) as first, \
            dtls(net, Way(net, "to the guest", 4433, "udp"), certificate) as second:
        for number in range(LINES):
            for talkers in first, second:
                assert_talk(talkers, number)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs("gtlsserver", "gtlsclient", "openssl")
@WAYS
def test_quic(net, certificate, way):
    """HTTP/3: one large file. ngtcp2 probes the path MTU, marks ECN, and sends with UDP_SEGMENT."""
    ends = Way(net, way, 4433, "udp")
    served, got = net.tmp / "served", net.tmp / "got"
    served.mkdir()
    got.mkdir(mode=0o777)
    got.chmod(0o777)
    (served / "noise").write_bytes(os.urandom(QUIC_BYTES))
    key, cert = certificate
    net.spawn(ends.server, "gtlsserver", "-q", "--htdocs", served, ends.listen, ends.port, key, cert)
    net.wait_listening(ends.server, ends.port, "udp")
    ends.client.run("gtlsclient", "-q", "--exit-on-all-streams-close", "--download", got,
                    ends.address, ends.client_port, f"https://{NAME}/noise")
    assert digest(got / "noise") == digest(served / "noise")


# --- WireGuard ---


class WireGuard:
    """One end of a tunnel, in a namespace with a /run of its own for the socket of wireguard-go."""

    def __init__(self, world, ns, end):
        self.world, self.ns = world, ns
        self.address = WG_ADDRESS[end]
        self.private = world.tmp / f"wg-{end}"
        self.private.write_text(self.key("genkey"))
        self.private.chmod(0o644)
        self.public = self.key("pubkey", input=self.private.read_text()).strip()

    def key(self, *argv, **kw):
        return subprocess.run(["wg", *argv], check=True, stdout=subprocess.PIPE, text=True,
                              **kw).stdout

    def start(self, other, *endpoint):
        self.ns.run("mount", "-t", "tmpfs", "run", "/run")
        self.world.spawn(self.ns, "wireguard-go", "--foreground", "wg0")
        w.wait_until(lambda: self.ns.run("wg", "show", "wg0", check=False).returncode == 0, "wg0")
        self.ns.run("wg", "set", "wg0", "private-key", self.private, "listen-port", WG_PORT, "peer",
                    other.public, "allowed-ips", f"{other.address}/32", *endpoint)
        self.ns.run("sh", "-ec", f"ip addr add {self.address}/24 dev wg0;"
                    f"ip link set wg0 mtu {WG_MTU} up")


@needs("wireguard-go", "wg", "iperf3")
@WAYS
def test_wireguard(net, way):
    """A tunnel through us, and TCP through the tunnel, both ways at once."""
    ends = Way(net, way, WG_PORT, "udp")
    own_mounts = w.Namespace(["unshare", "--mount"], inside=net.inet, flags=("--net", "--mount"))
    with contextlib.closing(own_mounts):
        outer, inner = (WireGuard(net, own_mounts if ns is net.inet else ns, end)
                        for ns, end in ((ends.server, "outer"), (ends.client, "inner")))
        outer.start(inner)
        inner.start(outer, "endpoint", f"{ends.address}:{ends.client_port}")
        inner.ns.run("ping", "-c1", "-W10", outer.address)
        net.spawn(outer.ns, "iperf3", "--server", "--one-off", "--forceflush", "--bind",
                  outer.address, "--port", IPERF_PORT, ready_line="Server listening")
        done = inner.ns.run("iperf3", "--client", outer.address, "--port", IPERF_PORT, "--json",
                            "--bytes", 16 * MIB, "--bidir")
        end = json.loads(done.stdout)["end"]
        assert min(end[name]["bytes"] for name in end if name.startswith("sum_")) > 0

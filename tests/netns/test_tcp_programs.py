"""Programs of others over the guest's TCP: curl, ssh, git, iperf3, wrk."""
import hashlib
import json
import os
import sys

import pytest

import flows
import probes
import world as w
from probes import CONFINED, FULL, PORT

pytestmark = pytest.mark.usefixtures("stack")

MIB = 1 << 20
FILE_BYTES = (256 if FULL else 32) * MIB
SSH_PORT, IPERF_PORT = 7022, 5201
SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
"""


@pytest.fixture
def net(rootless_world):
    """A world whose guest has its network."""
    rootless_world.start_tap("--mtu=65520", *CONFINED)
    return rootless_world


@pytest.fixture
def noise(net):
    """A folder to serve, with one large file in it."""
    folder = net.tmp / "served"
    folder.mkdir()
    (folder / "noise").write_bytes(os.urandom(FILE_BYTES))
    return folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def serve_http(world, folder):
    world.spawn(world.inet, sys.executable, "-u", "-m", "http.server", "--bind", w.INET4,
                "--directory", folder, PORT, ready_line="Serving")
    return f"http://{w.INET4}:{PORT}"


def test_curl(net, noise):
    """One large file, then the same on four connections at once."""
    url = serve_http(net, noise) + "/noise"
    got = net.guest.run("sh", "-c", "curl -sS --fail '" + url + "' | sha256sum").stdout.split()[0]
    assert got == digest(noise / "noise")
    outputs = [net.tmp / f"part{n}" for n in range(4)]
    net.guest.run("curl", "-sS", "--fail", "-Z", *(word for path in outputs
                                                   for word in ("-o", path, url)))
    assert {digest(path) for path in outputs} == {digest(noise / "noise")}


@pytest.fixture
def ssh(net):
    """A command that runs its arguments on a server of the inet namespace."""
    folder = net.tmp / "ssh"
    folder.mkdir()
    for name in "host", "user":
        net.inet.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    (folder / "config").write_text(SSHD_CONFIG.format(port=SSH_PORT, address=w.INET4,
                                                      folder=folder))
    # Its privilege separation wants an empty folder in /run (Debian) that only it sees here.
    net.spawn(net.inet, "unshare", "--mount", "sh", "-c",
              'mount -t tmpfs run /run && mkdir -m 755 /run/sshd &&'
              ' exec "$(command -v sshd)" -D -e -f "$0"',
              folder / "config", ready_line="Server listening",
              env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    os.chown(folder / "user", w.USER, w.USER)
    return ["ssh", "-F", "none", "-i", str(folder / "user"), "-p", str(SSH_PORT), "-o",
            "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR"]


def test_ssh(net, noise, ssh):
    """A file there and, by another connection, back; then an end with a status."""
    there, back = net.tmp / "there", net.tmp / "back"
    server = f"root@{w.INET4}"
    with open(noise / "noise", "rb") as source:
        net.guest.run(*ssh, server, f"cat >{there}", stdin=source)
    with open(back, "wb") as sink:
        net.guest.run(*ssh, server, f"cat {there}", stdout=sink)
    assert digest(there) == digest(back) == digest(noise / "noise")
    assert net.guest.run(*ssh, server, "exit 7", check=False).returncode == 7


@pytest.fixture
def repository(net, noise):
    """A repository with a large file and many small ones; the hash of what is in it."""
    work = net.tmp / "work"
    git = ["git", "-C", work, "-c", "user.name=nobody", "-c", "user.email=nobody@gate.test"]
    net.inet.run("git", "init", "-q", work)
    (work / "noise").write_bytes((noise / "noise").read_bytes())
    for number in range(200):
        (work / f"small{number}").write_text(str(number))
    net.inet.run(*git, "add", ".")
    net.inet.run(*git, "commit", "-q", "-m", "everything")
    net.inet.run("git", "clone", "-q", "--bare", work, noise / "repository.git")
    net.inet.run("git", "-C", noise / "repository.git", "update-server-info")
    return net.inet.run(*git, "rev-parse", "HEAD^{tree}").stdout


def assert_clones(net, url, tree, **kw):
    copy = net.tmp / "copy"
    net.guest.run("env", f"HOME={net.tmp}", "GIT_CONFIG_NOSYSTEM=1",
                  *(f"{name}={value}" for name, value in kw.items()),
                  "git", "clone", "-q", url, copy)
    git = ["env", f"HOME={net.tmp}", "git", "-C", copy]
    net.guest.run(*git, "fsck", "--full", "--strict")
    assert net.guest.run(*git, "rev-parse", "HEAD^{tree}").stdout == tree


def test_git_over_http(net, noise, repository):
    assert_clones(net, serve_http(net, noise) + "/repository.git", repository)


def test_git_over_ssh(net, noise, repository, ssh):
    assert_clones(net, f"ssh://root@{w.INET4}:{SSH_PORT}{noise}/repository.git", repository,
                  GIT_SSH_COMMAND=" ".join(ssh))


@pytest.mark.parametrize("streams", [1, 8])
@pytest.mark.parametrize("way", [(), ("--reverse",), ("--bidir",)], ids=["up", "down", "both"])
def test_iperf3(net, way, streams):
    """All bytes arrive; how fast is the bench's business."""
    net.spawn(net.inet, "iperf3", "--server", "--one-off", "--forceflush", "--bind", w.INET4,
              "--port", IPERF_PORT, ready_line="Server listening")
    done = net.guest.run("iperf3", "--client", w.INET4, "--port", IPERF_PORT, "--json", "--bytes",
                         FILE_BYTES, "--parallel", streams, *way)
    end = json.loads(done.stdout)["end"]
    sums = [end[name]["bytes"] for name in end if name.startswith("sum_")]
    assert min(sums) > 0
    assert max(sums) >= FILE_BYTES      # with both ways it ends when one of them has sent it all


def test_wrk(net):
    """Every answer of 50 kept connections is right, as wrk sees it."""
    net.spawn(net.inet, *probes.program(net, flows.http_server), w.INET4, PORT,
              ready_line="listening")
    said = net.guest.run("wrk", "--threads", 1, "--connections", 50, "--duration",
                         "30s" if FULL else "1s", f"http://{w.INET4}:{PORT}/").stdout
    assert "requests in" in said
    assert "Socket errors" not in said and "Non-2xx" not in said

"""The network of a Guix build: a tap by its descriptor, in a daemon's chroot, under its filter.

guix_launcher.py imitates the daemon, which gives the tap its addresses itself.
"""
import os
import pathlib
import select
import signal
import socket

import callers as c
import pytest
import whoami
import world as w

LAUNCHER = pathlib.Path(__file__).with_name("guix_launcher.py")
LAST_SYSCALL = {"linux 4.19": "rseq", "as pinned": "466"}
MAKE_TAP = """
import fcntl, os, socket, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"tap0", 0x1002))
with socket.socket(fileno=int(sys.argv[1])) as parent:
    socket.send_fds(parent, [b"tap"], [tap])
"""
PLAN = ["link set lo up", "link set tap0 up mtu 1500",
        "address add 10.0.2.100/24 dev tap0", "address add fd00::80/64 dev tap0 nodad",
        "route add default via 10.0.2.2", "-6 route add default via fd00::2"]
# Ends with 0 if the filter lets it have no local socket, and no call that is too new
FORBIDDEN = """
import ctypes, errno, os, socket, sys
def refused(call, *args):
    try:
        call(*args)
    except OSError as error:
        return error.errno == errno.ENOSYS
pair = (ctypes.c_int * 2)(-1, -1)
libc = ctypes.CDLL(None)
socket.socket(socket.AF_INET6).close()
too_new = refused(os.pidfd_open, os.getpid())
sys.exit(not (refused(socket.socket, socket.AF_UNIX) and bool(too_new) == (sys.argv[1] == "rseq")
              and libc.socketpair(1, 1, 0, pair) == 0 and list(pair) == [-1, -1]))
"""


def make_tap(guest):
    """A configured tap in the guest, as the descriptor that keeps it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guest.run(c.PYTHON, "-c", MAKE_TAP, theirs.fileno(), pass_fds=[theirs.fileno()])
        _, (tap, *_), _, _ = socket.recv_fds(ours, 16, 1)
    for command in PLAN:
        guest.run("ip", *command.split())
    return tap


class Daemon:
    """The imitation: what it started, and its state."""

    def __init__(self, space, last_syscall):
        self.space = space
        self.last_syscall = last_syscall
        self.root = space.world.tmp / "chroot"
        self.root.mkdir()
        space.give(self.root)

    def command(self, *argv):
        environment = ["env", f"TMPDIR={self.root}"]
        return self.space.caller(*environment, *c.script(self.space.world, LAUNCHER),
                                 self.last_syscall, w.USER, *argv)

    def start(self, *options):
        """Start the network, wait for its ready byte, keep no descriptor of it."""
        tap = make_tap(self.space.world.guest)
        ready_r, ready_w = os.pipe()
        argv = self.command(w.binary(), "--netns-type=tapfd", "--enable-sandbox", "--enable-ipv6",
                            f"--ready-fd={ready_w}", *options, tap)
        process = self.space.world.spawn(self.space, *argv, pass_fds=[tap, ready_w])
        for descriptor in (tap, ready_w):
            os.close(descriptor)
        readable, _, _ = select.select([ready_r], [], [], w.DEADLINE_S)
        ready = os.read(ready_r, 16) if readable else b"(timeout)"
        os.close(ready_r)
        assert ready == b"1", f"not ready: {ready!r}, status {process.poll()}"
        return process


@pytest.fixture(params=LAST_SYSCALL)
def daemon(space, request):
    return Daemon(space, LAST_SYSCALL[request.param])


def test_build_reaches_the_network(daemon):
    world, guest = daemon.space.world, daemon.space.world.guest
    daemon.start("--disable-host-loopback")
    for proto in ("tcp", "udp"):
        assert c.ask(world, guest, proto, w.INET4, c.PORT) == w.HOST4
        assert c.ask(world, guest, proto, w.INET6, c.PORT) == w.HOST6
    answer = guest.run(*c.whoami(world, "resolve", "peer.example", w.DNS4)).stdout.strip()
    assert answer == whoami.ANSWER


def test_host_loopback_only_when_wanted(daemon):
    world = daemon.space.world
    c.serve(world, world.host)
    daemon.start()
    assert c.ask(world, world.guest, "tcp", w.GATEWAY4, c.PORT) == "127.0.0.1"
    assert c.ask(world, world.guest, "tcp", w.GATEWAY6, c.PORT) == "::1"


def test_program_is_confined(daemon):
    """The sandbox is as tight as elsewhere: an empty root, one capability, no way to new ones."""
    daemon.start("--disable-host-loopback")
    gate = daemon.space.gate()
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{gate}/status").read_text().splitlines() if ":\t" in line)
    assert set(os.listdir(f"/proc/{gate}/root")) <= {"etc", "run"}
    assert int(status["CapEff"], 16) & ~(1 << 10) == 0
    assert status["CapBnd"] == "0000000000000400" and status["NoNewPrivs"] == "1"


def test_program_ends_on_sigterm(daemon):
    process = daemon.start()
    os.kill(daemon.space.gate(), signal.SIGTERM)
    process.wait(w.DEADLINE_S)
    w.wait_until(lambda: not daemon.space.pids(), "the end of every process")


def test_imitation_has_the_filter(daemon):
    done = daemon.space.run(*daemon.command(c.PYTHON, "-c", FORBIDDEN, daemon.last_syscall),
                            check=False)
    assert done.returncode == 0

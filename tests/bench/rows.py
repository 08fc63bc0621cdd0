"""The rows of the bench: ways out of a network namespace.

Every server listens in the host namespace. The guest of a user-mode stack reaches it as its
gateway's address, which the stack turns into the host's 127.0.0.1; the native row talks to
127.0.0.1 itself; the veth row talks across a veth pair, as root would set it up.

Published ports are the other way round: the server listens in the guest, the client asks the host's
127.0.0.1.
"""
import collections
import contextlib
import itertools
import os
import socket
import subprocess

import callers
import world as w

READY_S = 10
IPERF_PORT, PROBE_PORT = 5201, 5300     # where the servers listen, in whatever namespace
PAIR_HOST, PAIR_GUEST = "198.51.100.1", "198.51.100.2"
LOOPBACK = "127.0.0.1"
host_ports = itertools.count(6000)      # nobody publishes at the same one as somebody else

# Namespaces of both, the address that the client asks, and for each port of the server the client's
Ends = collections.namedtuple("Ends", "server client address ports",
                              defaults=({IPERF_PORT: IPERF_PORT, PROBE_PORT: PROBE_PORT},))


def new_ports():
    return {IPERF_PORT: next(host_ports), PROBE_PORT: next(host_ports)}


class Row:
    """One way out, and one way in."""

    environment = None      # of the row's program; None: ours

    def __init__(self, name, bench_world, stack):
        self.name = name
        self.world = bench_world
        self._stack = stack         # ends what the row started
        self._made = {}

    def _once(self, make, *arguments):
        key = make.__name__, arguments
        if key not in self._made:
            self._made[key] = make(*arguments)
        return self._made[key]

    def out(self, mtu):
        """The ends where a client of the guest asks the host. None: the row has no such thing."""
        return self._once(self._make_out, mtu)

    def into(self, mtu, loopback=False):
        """The ends where a client of the host asks a published port; of a server in the guest that
        listens on every address, or on the guest's loopback only. None as above.
        """
        ends = self._once(self._make_into, mtu, loopback)
        if ends and ends.server is not self.world.host:
            self._once(self._serve, ends.server)
        return ends

    def _serve(self, ns):
        self.world.spawn(ns, self.world.tmp / "probe", "serve", PROBE_PORT, ready_line="ready")

    def _make_out(self, _mtu):
        return None

    def _make_into(self, _mtu, _loopback):
        return None

    def fresh(self):
        """What out(1500) gives of a new instance, and its pid; a context. None: no process."""
        return None

    def starts(self):
        """How "probe starts" runs this row: ("ready" or "exit", argv). None: it has no start."""
        return None

    def wraps(self):
        """The words before a command that is to have a network of its own. None: it has no such thing."""
        return None


class Native(Row):
    def wraps(self):
        """The namespaces alone, without a way out."""
        return ["unshare", "--user", "--map-root-user", "--net"]

    def _make_out(self, _mtu):
        return Ends(self.world.host, self.world.host, LOOPBACK)

    def _make_into(self, mtu, _loopback):
        return self.out(mtu)


class Veth(Row):
    def __init__(self, name, bench_world, stack):
        super().__init__(name, bench_world, stack)
        self._pair = stack.enter_context(contextlib.closing(w.Namespace(["unshare", "--net"])))
        host = self.world.host
        host.run("ip", "link", "add", "pair0", "type", "veth", "peer", "name", "pair1",
                 "netns", self._pair.pid)
        for ns, dev, address in (host, "pair0", PAIR_HOST), (self._pair, "pair1", PAIR_GUEST):
            ns.run("ip", "addr", "add", f"{address}/24", "dev", dev)
            ns.run("ip", "link", "set", dev, "up")

    def _set_mtu(self, mtu):
        self.world.host.run("ip", "link", "set", "pair0", "mtu", mtu)
        self._pair.run("ip", "link", "set", "pair1", "mtu", mtu)

    def out(self, mtu):
        self._set_mtu(mtu)
        return Ends(self.world.host, self._pair, PAIR_HOST)

    def into(self, mtu, loopback=False):
        self._set_mtu(mtu)
        return super().into(mtu, loopback)

    def _make_into(self, _mtu, loopback):
        return None if loopback else Ends(self._pair, self.world.host, PAIR_GUEST)


class UserMode(Row):
    """A program that serves one guest through a TAP device."""

    gateway = w.GATEWAY4

    def __init__(self, name, bench_world, stack, program, guest_loopback=None, **environment):
        super().__init__(name, bench_world, stack)
        self.program = program
        self.guest_loopback = guest_loopback    # the option that allows forwards to lead there
        self.environment = {**os.environ, **environment}

    def _make_out(self, mtu):
        guest = self.world.new_guest()
        self._stack.enter_context(self.attached(guest, mtu))
        return Ends(self.world.host, guest, self.gateway)

    @contextlib.contextmanager
    def attached(self, guest, mtu, *options):
        """The program, serving this guest; gives its pid."""
        gate = self.world.start("-c", f"--mtu={mtu}", *options, guest.pid, "tap0",
                                program=self.program, env=self.environment)
        try:
            yield gate.pid
        finally:
            gate.close()

    def _make_into(self, mtu, loopback):
        if loopback and not self.guest_loopback:
            return None
        guest, ports = self.world.new_guest(), new_ports()
        guest.run("ip", "link", "set", "lo", "up")
        sock = self.world.tmp / f"api-{ports[PROBE_PORT]}"
        self._stack.enter_context(self.attached(
            guest, mtu, "-a", sock, *([self.guest_loopback] if loopback else [])))
        for guest_port, host_port in ports.items():
            for proto in ("tcp",) if loopback else ("tcp", "udp"):
                answer = w.api(sock, "add_hostfwd", proto=proto, host_addr=LOOPBACK,
                               host_port=host_port, guest_port=guest_port,
                               **({"guest_addr": LOOPBACK} if loopback else {}))
                assert "error" not in answer, answer
        return Ends(guest, self.world.host, LOOPBACK, ports)

    def starts(self):
        return "ready", [self.program, "-c", "-r", "3", "-e", "4", self.world.guest.pid, "tap0"]

    @contextlib.contextmanager
    def fresh(self):
        with contextlib.closing(self.world.new_guest()) as guest, \
                self.attached(guest, 1500) as pid:
            yield Ends(self.world.host, guest, self.gateway), pid


class Linked(UserMode):
    """The same where the TAP is not ours: the guest has a socket to us, and "tap" at its other end."""

    def __init__(self, name, bench_world, stack, program, ours, theirs):
        super().__init__(name, bench_world, stack, program)
        self._ours, self._theirs = ours, theirs     # the options that take the descriptors

    @contextlib.contextmanager
    def attached(self, guest, mtu, *_options):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            gate = self.world.attach(self._ours.format(ours.fileno()), f"--mtu={mtu}",
                                     "--host-loopback=on", program=self.program, wait=False,
                                     extra_fds=[ours.fileno()])
            far = guest.popen(self.program, "tap", self._theirs.format(theirs.fileno()),
                              "--configure", f"--mtu={mtu}", pass_fds=[theirs.fileno()],
                              stdin=subprocess.DEVNULL)
        try:
            gate.wait_ready()
            w.wait_until(lambda: guest.ip("route", "show", "default"), "tap", READY_S)
            yield gate.pid
        finally:
            gate.close()
            far.kill()
            far.wait()

    def into(self, mtu, loopback=False):
        return None

    def fresh(self):
        return None

    def starts(self):
        return None


class Gate(UserMode):
    """The binary under test, which has a command for that too."""

    def wraps(self):
        return [self.program, "run", "--"]


class Pasta(UserMode):
    """pasta copies the addresses of the host: its guest's gateway is the host's own gateway."""

    gateway = w.INET4

    ports = "-t none -u none"

    def argv(self, guest, *more, ports=ports):
        return [self.program, *f"--config-net --quiet {ports} -T none -U none".split(), *more,
                str(guest.pid)]

    @contextlib.contextmanager
    def attached(self, guest, mtu, ports=ports):
        process = subprocess.Popen(
            [*self.world.as_caller(), *self.argv(guest, "-f", "-m", str(mtu), ports=ports)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            w.wait_until(lambda: guest.ip("route", "show", "default"), "pasta", READY_S)
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def _make_into(self, mtu, loopback):
        """A client on the host's loopback is led to the guest's, whatever else the server has."""
        guest, ports = self.world.new_guest(), new_ports()
        pairs = ",".join(f"{host}:{inside}" for inside, host in ports.items())
        self._stack.enter_context(self.attached(guest, mtu, f"-t {pairs} -u {pairs}"))
        return Ends(guest, self.world.host, LOOPBACK, ports)

    def starts(self):
        return "exit", self.argv(self.world.guest)

    def wraps(self):
        return [self.program, "--config-net", "--quiet", "--"]


class Entered(w.Namespace):
    """The namespaces of a process that somebody else holds."""

    def __init__(self, pid, flags, become):     # pylint: disable=super-init-not-called
        self.pid, self._flags, self._become = pid, flags, become

    def close(self):
        """They end with their process."""


class RootlessKit(Row):
    """rootlesskit's own port driver: a program in the guest connects for one on the host."""

    def __init__(self, name, bench_world, stack, program):
        super().__init__(name, bench_world, stack)
        self.program = program

    def _make_into(self, mtu, _loopback):
        space, ports = self._once(self._make_space), new_ports()
        state = space.home / f"state-{ports[PROBE_PORT]}"
        publish = [f"--publish={LOOPBACK}:{host}:{inside}/{proto}"
                   for inside, host in ports.items() for proto in ("tcp", "udp")]
        process = space.popen(*space.caller(
            self.program, "--net=slirp4netns", f"--mtu={mtu}", "--port-driver=builtin",
            f"--state-dir={state}", *publish, "cat"),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.stdin.close)
        w.wait_until(lambda: self._listens(ports[PROBE_PORT]), "rootlesskit", READY_S)
        guest = Entered((state / "child_pid").read_text(encoding="ascii"),
                        ["--user", "--net", "--mount", "--preserve-credentials"],
                        [*space.enter(), *self.world.as_user()])
        return Ends(guest, self.world.host, LOOPBACK, ports)

    def _listens(self, port):
        """Its last port does: all else is there by then."""
        return self.world.host.run("ss", "-lunH", f"sport = :{port}").stdout.strip()

    def _make_space(self):
        return self._stack.enter_context(contextlib.closing(callers.CallerSpace(self.world)))

"""The rows of the bench: ways out of a network namespace.

Every server listens in the host namespace. The guest of a user-mode stack reaches it as its
gateway's address, which the stack turns into the host's 127.0.0.1; the native row talks to
127.0.0.1 itself; the veth row talks across a veth pair, as root would set it up.
"""
import contextlib
import os
import subprocess

import world as w

READY_S = 10
PAIR_HOST, PAIR_GUEST = "198.51.100.1", "198.51.100.2"


class Row:
    """One way out. at(mtu) gives the namespace of the client and the address of the server."""

    environment = None      # of the row's program; None: ours

    def __init__(self, name, bench_world, stack):
        self.name = name
        self.world = bench_world
        self._stack = stack         # ends what the row started
        self._guests = {}

    def at(self, mtu):
        if mtu not in self._guests:
            self._guests[mtu] = self.make(mtu)
        return self._guests[mtu]

    def make(self, mtu):
        raise NotImplementedError

    def fresh(self):
        """What at(1500) gives of a new instance, and its pid; a context. None: no process."""
        return None

    def starts(self):
        """How "probe starts" runs this row: ("ready" or "exit", argv). None: it has no start."""
        return None


class Native(Row):
    def make(self, mtu):
        return self.world.host, "127.0.0.1"


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

    def at(self, mtu):
        self.world.host.run("ip", "link", "set", "pair0", "mtu", mtu)
        self._pair.run("ip", "link", "set", "pair1", "mtu", mtu)
        return self._pair, PAIR_HOST


class UserMode(Row):
    """A program that serves one guest through a TAP device."""

    gateway = w.GATEWAY4

    def __init__(self, name, bench_world, stack, program, **environment):
        super().__init__(name, bench_world, stack)
        self.program = program
        self.environment = {**os.environ, **environment}

    def make(self, mtu):
        guest = self.world.new_guest()
        self._stack.enter_context(self.attached(guest, mtu))
        return guest, self.gateway

    @contextlib.contextmanager
    def attached(self, guest, mtu):
        """The program, serving this guest; gives its pid."""
        gate = self.world.start("-c", f"--mtu={mtu}", guest.pid, "tap0", program=self.program,
                                env=self.environment)
        try:
            yield gate.pid
        finally:
            gate.close()

    def starts(self):
        return "ready", [self.program, "-c", "-r", "3", "-e", "4", self.world.guest.pid, "tap0"]

    @contextlib.contextmanager
    def fresh(self):
        with contextlib.closing(self.world.new_guest()) as guest, \
                self.attached(guest, 1500) as pid:
            yield guest, self.gateway, pid


class Pasta(UserMode):
    """pasta copies the addresses of the host: its guest's gateway is the host's own gateway."""

    gateway = w.INET4

    def argv(self, guest, *more):
        return [self.program, *"--config-net --quiet -t none -u none -T none -U none".split(),
                *more, str(guest.pid)]

    @contextlib.contextmanager
    def attached(self, guest, mtu):
        process = subprocess.Popen([*self.world.as_caller(), *self.argv(guest, "-f", "-m", str(mtu))],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            w.wait_until(lambda: guest.ip("route", "show", "default"), "pasta", READY_S)
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def starts(self):
        return "exit", self.argv(self.world.guest)

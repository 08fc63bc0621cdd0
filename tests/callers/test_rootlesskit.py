"""Unmodified rootlesskit gets its network from the binary under test, as an ordinary user.

With and without sandbox and seccomp; ports by both drivers; nothing of it outlives rootlesskit.
"""
import json
import os
import pathlib
import signal

import callers as c
import pytest
import whoami
import world as w

PUBLISHED = 18080
COPY_UP = ["--copy-up=/etc", "--copy-up=/run"]


class RootlessKit:
    def __init__(self, space):
        self.space = space
        self.world = space.world
        self.state = space.home / "state"
        self.gate = None

    def command(self, *argv):
        """The command line of rootlesskit with these options and program."""
        return self.space.caller("rootlesskit", "--net=slirp4netns", *COPY_UP,
                                 f"--slirp4netns-binary={w.binary()}",
                                 f"--state-dir={self.state}", *argv)

    def start(self, *options):
        """Serve as a peer inside it until the end of the test."""
        server = c.whoami(self.world, "serve", c.PORT)
        self.world.spawn(self.space, *self.command(*options, *server), ready_line="serving")
        self.gate = self.space.gate()

    def inside(self, *argv, check=True):
        child = (self.state / "child_pid").read_text()
        return self.space.run(*self.world.as_user(), "nsenter", f"--target={child}",
                              "--user", "--net", "--mount", "--preserve-credentials", "--",
                              *argv, check=check)

    def peer(self, *argv):
        return self.inside(*c.whoami(self.world, *argv)).stdout.strip()

    def ctl(self, *argv):
        return self.space.run(*self.space.caller("rootlessctl", f"--socket={self.state}/api.sock",
                                                 *argv)).stdout


@pytest.fixture
def kit(rootless_space):
    return RootlessKit(rootless_space)


@pytest.mark.parametrize("sandbox, seccomp", [
    ("false", "false"), ("true", "false"), ("false", "true"), ("true", "true"), ("auto", "auto")])
def test_program_reaches_the_network(kit, sandbox, seccomp):
    kit.start("--mtu=65520", "--disable-host-loopback", f"--slirp4netns-sandbox={sandbox}",
              f"--slirp4netns-seccomp={seccomp}")
    argv = c.argv_of(kit.gate)
    assert argv[0] == w.binary() and argv[1:5] == ["--mtu", "65520", "-r", "3"]
    assert ("--enable-sandbox" in argv) == (sandbox != "false")
    assert ("--enable-seccomp" in argv) == (seccomp != "false")
    for proto in ("tcp", "udp"):
        assert kit.peer("ask", proto, w.INET4, c.PORT) == w.HOST4
    assert kit.peer("resolve", "peer.example") == whoami.ANSWER
    assert kit.peer("resolve", "peer.example", w.DNS4) == whoami.ANSWER
    status = pathlib.Path(f"/proc/{kit.gate}/status").read_text()
    assert ("Seccomp:\t2" in status) == (seccomp != "false")
    root = set(os.listdir(f"/proc/{kit.gate}/root"))
    assert (root <= {"etc", "run"}) == (sandbox != "false")


def test_plan_of_another_network(kit):
    kit.start("--cidr=10.41.0.0/16", "--mtu=1500")
    show = kit.inside("ip", "address", "show", "tap0").stdout
    assert "mtu 1500 " in show and "inet 10.41.0.100/16 " in show
    assert kit.peer("ask", "tcp", w.INET4, c.PORT) == w.HOST4
    assert kit.peer("resolve", "peer.example", "10.41.0.3") == whoami.ANSWER


def test_ipv6(kit):
    """The address comes with the router advertisement: rootlesskit gives none."""
    kit.start("--ipv6", "--disable-host-loopback")

    def addressed():
        show = kit.inside("ip", "-6", "address", "show", "dev", "tap0", "scope", "global").stdout
        return "inet6 fd00::" in show and "tentative" not in show
    w.wait_until(addressed, "a global IPv6 address")
    for proto in ("tcp", "udp"):
        assert kit.peer("ask", proto, w.INET6, c.PORT) == w.HOST6


@pytest.mark.parametrize("disabled", [False, True])
def test_host_loopback(kit, disabled):
    c.serve(kit.world, kit.world.host)
    kit.start(*["--disable-host-loopback"] * disabled)
    asked = kit.inside(*c.whoami(kit.world, "ask", "tcp", w.GATEWAY4, c.PORT), check=False)
    assert (asked.returncode == 0) == (not disabled)
    assert asked.stdout.strip() == ("" if disabled else "127.0.0.1")
    assert "Network is unreachable" in asked.stderr or not disabled


# Ports

@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("driver, source, loopback, local", [
    ("builtin", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("slirp4netns", w.INET4, w.GATEWAY4, w.HOST4)])
@pytest.mark.parametrize("sandbox", ["false", "true"])
def test_port_comes_and_goes(kit, driver, source, loopback, local, proto, sandbox):
    """Added, listed and removed at run time; the slirp4netns driver keeps the client's address."""
    kit.start("--disable-host-loopback", f"--port-driver={driver}",
              f"--slirp4netns-sandbox={sandbox}", f"--slirp4netns-seccomp={sandbox}")
    assert kit.ctl("add-ports", f"0.0.0.0:{PUBLISHED}:{c.PORT}/{proto}").strip() == "1"
    listed = json.loads(kit.ctl("list-ports", "--json"))
    assert (listed["id"], listed["spec"]["parentPort"]) == (1, PUBLISHED)
    for _ in range(2):
        assert c.ask(kit.world, kit.world.host, proto, "127.0.0.1", PUBLISHED) == loopback
        assert c.ask(kit.world, kit.world.inet, proto, w.HOST4, PUBLISHED) == source
        assert c.ask(kit.world, kit.world.host, proto, w.HOST4, PUBLISHED) == local
    kit.ctl("remove-ports", "1")
    assert not kit.ctl("list-ports", "--json").strip()
    listening = kit.world.host.run("ss", "-lntuH", f"sport = :{PUBLISHED}").stdout
    assert not listening.strip()


@pytest.mark.parametrize("driver, source", [("builtin", "127.0.0.1"), ("slirp4netns", w.INET4)])
def test_port_from_the_start(kit, driver, source):
    kit.start(f"--port-driver={driver}", "--slirp4netns-sandbox=auto", "--slirp4netns-seccomp=auto",
              f"--publish=0.0.0.0:{PUBLISHED}:{c.PORT}/tcp")
    assert c.ask(kit.world, kit.world.inet, "tcp", w.HOST4, PUBLISHED) == source


def test_port_in_use_is_rootlesskits_error(kit):
    c.serve(kit.world, kit.world.host, PUBLISHED)
    done = kit.space.run(*kit.command("--port-driver=slirp4netns", "--publish",
                                      f"0.0.0.0:{PUBLISHED}:{c.PORT}/tcp", "true"), check=False)
    assert done.returncode == 1
    assert "slirp_add_hostfwd failed" in done.stderr
    w.wait_until(lambda: not kit.space.pids(), "the end of every process")


# The end

@pytest.mark.parametrize("hardening", ["false", "true"])
def test_status_passes_and_nothing_is_left(kit, hardening):
    """The answer is complete, and its pipe closed, as soon as the program has ended."""
    done = kit.space.run(*kit.command(
        f"--slirp4netns-sandbox={hardening}", f"--slirp4netns-seccomp={hardening}",
        "sh", "-c", "cat /etc/resolv.conf; exit 7"), check=False, timeout=w.DEADLINE_S)
    assert done.returncode == 7
    assert done.stdout == f"nameserver {w.DNS4}\n"
    kit.space.wait_no_gate()    # rootlesskit kills it; the keeper then tidies up and ends by itself
    w.wait_until(lambda: not kit.space.pids(), "the end of every process")


@pytest.mark.parametrize("hardening", ["false", "true"])
def test_killed_parent_takes_all_with_it(kit, hardening):
    """rootlesskit asks for a death signal, which the sandbox must not disarm."""
    kit.start("--port-driver=slirp4netns", f"--slirp4netns-sandbox={hardening}",
              f"--slirp4netns-seccomp={hardening}")
    parent = c.parent_of(kit.gate)
    assert c.argv_of(parent)[0] == "rootlesskit"
    os.kill(parent, signal.SIGKILL)
    w.wait_until(lambda: not kit.space.pids(), "the end of every process")

"""Unmodified podman gets its network from the binary under test, as root and as a user.

What podman asks for with --network slirp4netns[:options] arrives in the container, ports
are published by both port handlers, and the network process lives and dies with its container.
"""
import os
import pathlib
import subprocess

import callers as c
import podman as p
import pytest
import whoami
import world as w

PUBLISHED = 18080


def test_container_reaches_the_network(podman):
    """TCP, UDP and names, over the processes and the options that podman always gives."""
    podman.start("net")
    argv = c.argv_of(podman.space.gate())
    assert argv[0] == w.binary()
    assert {"--disable-host-loopback", "--mtu=65520", "--enable-sandbox", "--enable-seccomp",
            "--enable-ipv6", "-c", "-e", "-r"} <= set(argv)
    w.wait_until(lambda: "inet6 fd00::" in podman("exec", "net", "ip", "address").stdout,
                 "the IPv6 address of the container")
    for proto in ("tcp", "udp"):
        assert podman.peer("net", "ask", proto, w.INET4, c.PORT) == w.HOST4
        assert podman.peer("net", "ask", proto, w.INET6, c.PORT) == w.HOST6
    resolv_conf = podman("exec", "net", "cat", "/etc/resolv.conf").stdout
    assert resolv_conf.splitlines()[0] == f"nameserver {w.DNS4}"
    assert podman.peer("net", "resolve", "peer.example") == whoami.ANSWER
    assert podman.peer("net", "resolve", "peer.example", w.DNS4) == whoami.ANSWER


def test_one_command_returns_its_status(podman):
    assert podman.run("sh", "-c", "exit 7", check=False).returncode == 7
    podman.space.wait_no_gate()


def test_container_with_a_user_namespace(podman):
    """Podman names the process of such a container, not a path."""
    podman.start("userns", f"--uidmap=0:{1 if podman.world.rootless else c.FIRST_SUBID}:1000")
    argv = c.argv_of(podman.space.gate())
    assert argv[-2].isdigit() and "--netns-type=path" not in argv
    assert podman.peer("userns", "ask", "tcp", w.INET4, c.PORT) == w.HOST4


def test_found_on_the_path_as_slirp4netns(space):
    """Without --network-cmd-path podman takes the slirp4netns that PATH has first."""
    folder = space.world.tmp / "first"
    folder.mkdir()
    (folder / "slirp4netns").symlink_to(w.binary())
    podman = p.Podman(space, name_binary=False)
    podman.use_path(folder)
    podman.start("path")
    assert c.argv_of(space.gate())[0] == str(folder / "slirp4netns")
    assert podman.peer("path", "ask", "tcp", w.INET4, c.PORT) == w.HOST4


def test_info_prints_our_version(podman):
    version = subprocess.run([w.binary(), "--version"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    facts = "{{.Host.Slirp4NetNS.Executable}}\n{{.Host.Slirp4NetNS.Version}}"
    assert podman("info", "--format", facts).stdout.strip() == f"{w.binary()}\n{version.strip()}"


# Published ports

@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("handler, outside, loopback, local", [
    ("rootlesskit", w.GUEST4, w.GUEST4, w.GUEST4),
    ("slirp4netns", w.INET4, w.GATEWAY4, w.HOST4)])
def test_published_port(podman, handler, proto, outside, loopback, local):
    """Reached from outside, from the host's loopback and from its other address, in any order:
    slirp4netns' handler keeps the address of the client.
    """
    world = podman.world
    podman.start("ports", f"--publish={PUBLISHED}:{c.PORT}/{proto}",
                 network=f"slirp4netns:port_handler={handler},allow_host_loopback=true")
    for _ in range(2):
        assert c.ask(world, world.host, proto, "127.0.0.1", PUBLISHED) == loopback
        assert c.ask(world, world.inet, proto, w.HOST4, PUBLISHED) == outside
        assert c.ask(world, world.host, proto, w.HOST4, PUBLISHED) == local


@pytest.mark.parametrize("handler", ["rootlesskit", "slirp4netns"])
def test_both_protocols_of_one_port(podman, handler):
    podman.start("ports", *(f"--publish={PUBLISHED}:{c.PORT}/{proto}" for proto in ("tcp", "udp")),
                 network=f"slirp4netns:port_handler={handler}")
    for proto in "tcp", "udp":
        assert c.ask(podman.world, podman.world.inet, proto, w.HOST4, PUBLISHED) == \
            {"rootlesskit": w.GUEST4, "slirp4netns": w.INET4}[handler]


def test_published_on_one_address_only(podman):
    podman.start("ports", f"--publish=127.0.0.1:{PUBLISHED}:{c.PORT}",
                 network="slirp4netns:port_handler=slirp4netns")
    world = podman.world
    assert c.ask(world, world.host, "tcp", "127.0.0.1", PUBLISHED) == w.GATEWAY4
    with pytest.raises(AssertionError, match="ConnectionRefusedError"):
        c.ask(world, world.inet, "tcp", w.HOST4, PUBLISHED)


def test_port_in_use_is_podmans_error(podman):
    c.serve(podman.world, podman.world.host, PUBLISHED)
    done = podman.run("true", options=[f"--publish={PUBLISHED}:{c.PORT}"], check=False,
                      network="slirp4netns:port_handler=slirp4netns")
    assert done.returncode == 126
    assert "from slirp4netns while setting up port redirection: " in done.stderr
    assert "bad request: add_hostfwd: slirp_add_hostfwd failed" in done.stderr
    podman.space.wait_no_gate()


# Options of the network

def test_option_cidr_and_mtu(podman):
    podman.start("plan", network="slirp4netns:cidr=10.77.0.0/24,mtu=1280")
    show = podman("exec", "plan", "ip", "address", "show", "tap0").stdout
    assert "mtu 1280 " in show and "inet 10.77.0.100/24 " in show
    routes = podman("exec", "plan", "ip", "route").stdout
    assert "default via 10.77.0.2 dev tap0" in routes
    assert podman.peer("plan", "resolve", "peer.example", "10.77.0.3") == whoami.ANSWER
    assert podman.peer("plan", "ask", "tcp", w.INET4, c.PORT) == w.HOST4


@pytest.mark.parametrize("allowed", [False, True])
def test_option_allow_host_loopback(podman, allowed):
    c.serve(podman.world, podman.world.host)
    podman.start("loop", network=f"slirp4netns:allow_host_loopback={str(allowed).lower()}")
    asked = podman.peer("loop", "ask", "tcp", w.GATEWAY4, c.PORT, check=False)
    assert (asked.returncode == 0) == allowed
    assert asked.stdout.strip() == ("127.0.0.1" if allowed else "")
    assert "Network is unreachable" in asked.stderr or allowed


def test_option_enable_ipv6_false(podman):
    podman.start("v4", network="slirp4netns:enable_ipv6=false")
    assert "--enable-ipv6" not in c.argv_of(podman.space.gate())
    assert podman.peer("v4", "ask", "tcp", w.INET6, c.PORT, check=False).returncode
    assert podman.peer("v4", "ask", "tcp", w.INET4, c.PORT) == w.HOST4


@pytest.mark.parametrize("outbound", ["192.0.2.9", "second"])
def test_option_outbound_addr(podman, outbound):
    """The server sees the address, given itself or as the interface that has it."""
    host = podman.world.host
    host.run("ip", "link", "add", "second", "type", "veth", "peer", "name", "third")
    host.run("ip", "address", "add", "192.0.2.9/32", "dev", "second")
    host.run("ip", "link", "set", "second", "up")
    podman.start("out", network=f"slirp4netns:outbound_addr={outbound}")
    for proto in ("tcp", "udp"):
        assert podman.peer("out", "ask", proto, w.INET4, c.PORT) == "192.0.2.9"


# The life of the network process

def test_stop_start_and_restart(podman):
    """The network ends with the container, and comes back with it."""
    podman.start("life")
    seen = [podman.space.gate()]
    podman("stop", "life")
    podman.space.wait_no_gate()
    for times, verb in ((2, "start"), (3, "restart")):
        podman(verb, "life")
        podman.wait_serving("life", times)
        seen.append(podman.space.gate())
        assert podman.peer("life", "ask", "tcp", w.INET4, c.PORT) == w.HOST4
    assert len(set(seen)) == 3


@pytest.mark.parametrize("verb", ["kill", "rm"])
def test_killed_container_leaves_no_process(podman, verb):
    podman.start("life")
    assert podman.space.gate()
    podman(*{"kill": ["kill", "--signal=KILL"], "rm": ["rm", "--force", "--time=0"]}[verb], "life")
    podman.space.wait_no_gate()


def test_dead_monitor_ends_the_network(podman):
    """conmon holds the other end of the exit-fd."""
    podman.start("life", "--conmon-pidfile", podman.space.runtime / "conmon.pid")
    assert podman.space.gate()
    podman.space.run("kill", "-KILL", (podman.space.runtime / "conmon.pid").read_text())
    podman.space.wait_no_gate()


def test_no_api_socket_is_left(podman):
    podman.start("life", f"--publish={PUBLISHED}:{c.PORT}",
                 network="slirp4netns:port_handler=slirp4netns")
    argv = c.argv_of(podman.space.gate())
    api_socket = pathlib.Path(argv[argv.index("--api-socket") + 1])
    assert api_socket.is_socket()
    podman("stop", "life")
    podman.space.wait_no_gate()
    assert not api_socket.exists()


def test_two_containers_have_two_networks(podman):
    for name in ("one", "two"):
        podman.start(name)
    assert len(podman.space.gates()) == 2
    podman("stop", "one")
    w.wait_until(lambda: len(podman.space.gates()) == 1, "the end of one of two")
    assert podman.peer("two", "ask", "tcp", w.INET4, c.PORT) == w.HOST4


def test_failing_start_is_quoted(podman):
    """What the binary says on stderr is in podman's error."""
    podman.space.run("mount", "-t", "tmpfs", "tmpfs", "/dev/net")
    done = podman.run("true", check=False)
    assert done.returncode
    assert f"{os.path.basename(w.binary())} failed: " in done.stderr
    assert "/dev/net/tun" in done.stderr and "No such file or directory" in done.stderr
    podman.space.wait_no_gate()

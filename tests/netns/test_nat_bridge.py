"""Containers behind a bridge with NAT inside the guest: what it forwards are its own kernel's
large segments, and links narrower than the TAP lie between.
"""
import pytest

import flows
import peers
import probes
import world as w
from probes import CONFINED, PORT, peer

pytestmark = pytest.mark.usefixtures("stack")

MIB = 1 << 20
ROUTER4, CONTAINER4 = "10.88.0.1", "10.88.0.2"
ROUTER6, CONTAINER6 = "fd88::1", "fd88::2"


def forward(world):
    """Make a router with NAT of the guest."""
    world.guest.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    for family in "ip", "ip6":
        world.guest.run("nft", f"add table {family} nat; add chain {family} nat out "
                        "{ type nat hook postrouting priority 100; }; "
                        f"add rule {family} nat out oifname tap0 masquerade")


def container(world, mtu):
    """A namespace on a bridge of the guest."""
    inner = world.new_guest_inside(world.guest)
    world.guest.run("ip", "link", "add", "br0", "type", "bridge")
    world.guest.run("ip", "link", "add", "port0", "type", "veth", "peer", "name", "eth0",
                    "netns", inner.pid)
    world.guest.run("ip", "link", "set", "port0", "mtu", mtu, "master", "br0", "up")
    world.guest.run("ip", "link", "set", "br0", "mtu", mtu, "up")
    inner.run("ip", "link", "set", "eth0", "mtu", mtu)
    connect_link(world.guest, "br0", ROUTER4, ROUTER6, inner, "eth0", CONTAINER4, CONTAINER6)
    return inner


def connect_link(router, router_dev, router4, router6, inner, inner_dev, inner4, inner6):
    """Addresses on both ends of a link, and the default routes of the inner one."""
    for ns, dev, a4, a6 in ((router, router_dev, router4, router6),
                            (inner, inner_dev, inner4, inner6)):
        ns.run("ip", "addr", "add", f"{a4}/24", "dev", dev)
        ns.run("ip", "addr", "add", f"{a6}/64", "dev", dev, "nodad")
        ns.run("ip", "link", "set", dev, "up")
    inner.run("ip", "route", "add", "default", "via", router4)
    inner.run("ip", "-6", "route", "add", "default", "via", router6)


def start(world, address, mtu, *options):
    """Start the gate; for IPv6 the guest gets its address before it becomes a router."""
    if ":" not in address:
        return world.start_tap(f"--mtu={mtu}", *CONFINED, *options)
    world.guest.run("sh", "-c", "cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && "
                    "echo 0 >router_solicitation_delay")
    gate = world.start_tap("-6", f"--mtu={mtu}", *CONFINED, *options)
    w.wait_until(lambda: world.guest.ip("-6", "route", "show", "default"), "router advertisement")
    world.guest.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    world.guest.run("ip", "-6", "route", "replace", "default", "via", "fe80::2", "dev", "tap0")
    return gate


def assert_bulk(ns, world, address, count=4, deadline_s=30):
    for way in "down", "up":    # in this order: what "up" learns of the path serves "down" as well
        assert peer(world, ns, flows.bulk, address, PORT, way, count, 4 * MIB,
                    timeout=deadline_s) == [peers.stream_digest(4 * MIB)]


MTUS = [(1500, 1500), (65520, 65520), (65520, 1500), (1500, 1400), (65520, 1280), (1500, 65520)]
# libslirp sends over IPv6 what fits its own MTU, whatever the other end has said.
CASES = [(stack, address, tap, inner) for stack in ("native", "slirp")
         for address in (w.INET4, w.INET6) for tap, inner in MTUS
         if stack == "native" or address == w.INET4 or inner >= tap]


@pytest.mark.parametrize("stack,address,tap,inner", CASES, indirect=["stack"])
def test_container_behind_a_bridge(rootless_world, stack, address, tap, inner):
    """The container's link says itself what it takes, and its router what the TAP takes."""
    world = rootless_world
    probes.serve_inet(world, address)
    start(world, address, tap)
    forward(world)
    assert_bulk(container(world, inner), world, address)


def network_behind(world, router):
    """A namespace behind that one, on a link of 65520."""
    router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; "
               "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    far = world.new_guest_inside(world.guest)
    router.run("ip", "link", "add", "wide0", "mtu", 65520, "type", "veth", "peer", "name", "eth0",
               "mtu", 65520, "netns", far.pid)
    connect_link(router, "wide0", "10.89.0.1", "fd89::1", far, "eth0", "10.89.0.2", "fd89::2")
    world.guest.run("ip", "route", "add", "10.89.0.0/24", "via", CONTAINER4)
    world.guest.run("ip", "-6", "route", "add", "fd89::/64", "via", CONTAINER6)
    return far


def filter_icmp(ns):
    """As some administrators do: what is too big vanishes without a word."""
    for family, rule in (("ip", "icmp type destination-unreachable"),
                         ("ip6", "icmpv6 type packet-too-big")):
        ns.run("nft", f"add table {family} mute; add chain {family} mute out "
               "{ type filter hook output priority 0; }; "
               f"add rule {family} mute out oifname tap0 {rule} drop")


@pytest.mark.parametrize("stack", ["native"], indirect=True)
@pytest.mark.parametrize("mtu,heard", [(1400, True), (1280, False)])
@pytest.mark.parametrize("address", [w.INET4, w.INET6])
def test_narrow_link_on_the_way(rootless_world, stack, address, mtu, heard):
    """Guest (65520) - router (narrow) - container (65520): nobody but ICMP tells of the middle."""
    world = rootless_world
    api = world.tmp / "api.sock"
    probes.serve_inet(world, address)
    start(world, address, 65520, "-a", api)
    forward(world)
    if not heard:
        filter_icmp(world.guest)
    far = network_behind(world, container(world, mtu))
    assert_bulk(far, world, address, 1, deadline_s=8)
    tcp = w.api(api, "get_stats")["return"]["tcp"]
    assert (tcp["path_mtu_changes"], tcp["path_mtu_guesses"]) == ((1, 0) if heard else (0, 1))

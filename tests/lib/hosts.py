"""Hosts around the host of a world: more addresses, a second link, a router and what lies behind it.

A guest of these tests has both families from the start, whoever advertises what.
"""
import probes
import world as w

GUEST6 = "fd00::100"
OTHER4, OTHER6 = "192.0.2.9", "2001:db8::9"             # of the host as well, not its first ones
STRANGER4, STRANGER6 = "192.0.2.3", "2001:db8::3"       # of the inet namespace as well
NEAR4, FAR4 = "198.51.100.1", "198.51.100.2"            # a second link: inet's end, far's end
NEAR6, FAR6 = "2001:db8:1::1", "2001:db8:1::2"
SIDE4, SIDE6 = "203.0.113.1", "2001:db8:2::1"           # of the host, on an interface of its own
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
ANY = {4: "0.0.0.0", 6: "::"}
HOST = {4: w.HOST4, 6: w.HOST6}
INET = {4: w.INET4, 6: w.INET6}
OTHER = {4: OTHER4, 6: OTHER6}
STRANGER = {4: STRANGER4, 6: STRANGER6}
FAR = {4: FAR4, 6: FAR6}
SIDE = {4: SIDE4, 6: SIDE6}
GATEWAY = {4: w.GATEWAY4, 6: w.GATEWAY6}
GUEST = {4: w.GUEST4, 6: GUEST6}


def family_of(address):
    return 6 if ":" in address else 4


def add_address(ns, dev, address):
    ns.run("ip", "addr", "add", f"{address}/{24 if family_of(address) == 4 else 64}", "dev", dev,
           *(["nodad"] if family_of(address) == 6 else []))


def introduce(ns, dev, addresses, peer, peer_dev):
    """Neighbour discovery answers only a second after a new link came up: do not need it."""
    mac = peer.ip("link", "show", peer_dev)[0]["address"]
    for address in addresses:
        ns.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", dev)


def start(world, *options, **kw):
    """Start the program for a guest with an address of each family."""
    gate = world.start_tap("-6", *options, **kw)
    add_address(world.guest, "tap0", GUEST6)
    world.guest.run("ip", "-6", "route", "replace", "default", "via", w.GATEWAY6, "dev", "tap0")
    return gate


def strangers(world):
    """The inet namespace gets a second address of each family."""
    for address in STRANGER.values():
        add_address(world.inet, "inet0", address)
    introduce(world.host, "up0", [STRANGER6], world.inet, "inet0")


def multi_homed(world):
    """The host gets more addresses: a second one on its link, and some on another interface that the
    inet namespace reaches by way of the first.
    """
    world.host.run("ip", "link", "add", "side0", "type", "veth", "peer", "name", "side1")
    for dev in "side0", "side1":
        world.host.run("ip", "link", "set", dev, "up")
    for version in 4, 6:
        add_address(world.host, "up0", OTHER[version])
        add_address(world.host, "side0", SIDE[version])
        world.inet.run("ip", "route", "add", SIDE[version], "via", HOST[version])
    introduce(world.inet, "inet0", [OTHER6], world.host, "up0")


def routed(world, mtu=1500):
    """The inet namespace becomes a router; "far" lies behind it on a link of this MTU."""
    far = w.Namespace(["unshare", "--net"])
    world.inet.run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0",
                   "netns", far.pid)
    for ns, dev, addresses in ((world.inet, "near0", (NEAR4, NEAR6)), (far, "far0", (FAR4, FAR6))):
        for address in addresses:
            add_address(ns, dev, address)
        ns.run("ip", "link", "set", "lo", "up")
        ns.run("ip", "link", "set", dev, "mtu", mtu, "up")
    introduce(world.inet, "near0", [FAR6], far, "far0")
    introduce(far, "far0", [NEAR6], world.inet, "near0")
    for setting in "ipv4/ip_forward", "ipv6/conf/all/forwarding":
        world.inet.run("sh", "-c", f"echo 1 >/proc/sys/net/{setting}")
    for ns, routers in (world.host, INET), (far, {4: NEAR4, 6: NEAR6}):
        for version in 4, 6:
            ns.run("ip", f"-{version}", "route", "add", "default", "via", routers[version])
    return far


def unlimited_errors(*namespaces):
    """No limit to the ICMP errors that these send: several are about the same two hosts."""
    for ns in namespaces:
        for setting in "ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit":
            ns.run("sh", "-c", f"echo 0 >/proc/sys/net/{setting}")


def publish(sock, version, proto="tcp", host_port=8080, host_addr=None, **more):
    """Forward a port of the host to probes.PORT of the guest; the answer of the API."""
    answer = w.api(sock, "add_hostfwd", proto=proto, host_addr=host_addr or ANY[version],
                   host_port=host_port, guest_addr=GUEST[version], guest_port=probes.PORT, **more)
    assert "error" not in answer, answer
    return answer["return"]

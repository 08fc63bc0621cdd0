"""The guest's interface: what -c configures, and that nothing is touched without it."""
import ipaddress

import pytest

import probes
import world as w
from probes import CONFINED


def link(ns, name="tap0"):
    return ns.ip("addr", "show", "dev", name)[0]


def ipv4(ns, name="tap0"):
    return [(a["local"], a["prefixlen"], a.get("broadcast")) for a in link(ns, name)["addr_info"]
            if a.get("family") == "inet"]


def test_configured_state(world):
    world.start_tap()
    tap = link(world.guest)
    assert {"UP", "LOWER_UP", "BROADCAST", "MULTICAST"} <= set(tap["flags"])
    assert tap["mtu"] == 1500
    assert ipv4(world.guest) == [(w.GUEST4, 24, "10.0.2.255")]
    default, = world.guest.ip("route", "show", "default")
    assert (default["gateway"], default["dev"]) == (w.GATEWAY4, "tap0")
    assert "UP" in link(world.guest, "lo")["flags"]


def test_nothing_but_the_tap_without_configure(world):
    before = world.guest.ip("addr"), world.guest.ip("route", "show", "table", "all")
    world.start(world.guest.pid, "tap0")
    tap = link(world.guest)
    assert "UP" not in tap["flags"] and tap["addr_info"] == [] and tap["mtu"] == 1500
    assert "UP" not in link(world.guest, "lo")["flags"]
    links = [a for a in world.guest.ip("addr") if a.get("ifname") != "tap0"]
    assert (links, world.guest.ip("route", "show", "table", "all")) == before


@pytest.mark.parametrize("mtu", [68, 1280, 9000, 65520, 65521])
def test_mtu(world, mtu):
    world.start_tap("-m", mtu)
    assert link(world.guest)["mtu"] == mtu


def test_mac_address(world):
    world.start_tap("--macaddress=0e:d4:18:d9:38:fb", *CONFINED)
    assert link(world.guest)["address"] == "0e:d4:18:d9:38:fb"
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)


@pytest.mark.parametrize("cidr", ["10.0.2.128/25", "10.0.0.0/8", "10.41.0.0/16",
                                  "198.51.100.0/24"])
def test_cidr(world, cidr):
    """The gateway is +2, the guest +100, and the internet works behind any of them."""
    probes.serve_inet(world, w.INET4)
    network = ipaddress.ip_network(cidr)
    world.start_tap(f"--cidr={cidr}", *CONFINED)
    assert ipv4(world.guest) == [(str(network[100]), network.prefixlen,
                                  str(network.broadcast_address))]
    default, = world.guest.ip("route", "show", "default")
    assert default["gateway"] == str(network[2])
    world.guest.run("ping", "-c1", "-W5", network[2])
    probes.assert_works(world)


def test_dns_address_follows_the_cidr(world):
    world.spawn(world.inet, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces",
                "--except-interface=lo", f"--listen-address={w.INET4}",
                "--address=/gate.test/198.51.100.7", ready_line="started")
    world.start_tap("--cidr=10.41.0.0/16", *CONFINED)
    done = world.guest.run("dig", "+short", "+time=5", "@10.41.0.3", "gate.test")
    assert done.stdout.strip() == "198.51.100.7"


@pytest.mark.parametrize("name", ["slirp0", "veth0", "a23456789012345"])
def test_other_interface_names(world, name):
    world.start("-c", world.guest.pid, name)
    assert ipv4(world.guest, name) == [(w.GUEST4, 24, "10.0.2.255")]
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)


def test_name_chosen_by_the_kernel(world):
    world.guest.run("ip", "tuntap", "add", "tap0", "mode", "tap")
    world.start(world.guest.pid, "tap%d")
    assert link(world.guest, "tap1")["ifname"] == "tap1"


def test_existing_persistent_tap(world):
    """As rootlesskit does: the tap is made, upped and configured by somebody else."""
    probes.serve_inet(world, w.INET4)
    world.guest.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
    world.guest.run("ip", "link", "set", "tap0", "up")
    gate = world.start("--mtu", 65520, *CONFINED, world.guest.pid, "tap0")
    world.guest.run("ip", "link", "set", "tap0", "mtu", 65520)
    world.guest.run("ip", "addr", "add", f"{w.GUEST4}/24", "broadcast", "+", "dev", "tap0")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY4)
    probes.assert_works(world)
    assert gate.stop() == 0
    assert ipv4(world.guest) == [(w.GUEST4, 24, "10.0.2.255")]


def offloads(ns):
    """Which of the offloads that we ask for tap0 has."""
    lines = ns.run("ethtool", "-k", "tap0").stdout.splitlines()
    states = dict(line.strip().split(": ")[:2] for line in lines if ": " in line)
    return {name for name in ("tx-checksum-ip-generic", "tx-tcp-segmentation",
                              "tx-tcp6-segmentation") if states[name].startswith("on")}


def test_persistent_tap_keeps_no_offloads(world, confinement, native):
    """A next owner that knows nothing of them gets whole checksums, and no large segments."""
    world.guest.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
    gate = world.start_tap(*confinement)
    assert len(offloads(world.guest)) == 3
    assert gate.stop() == 0
    assert offloads(world.guest) == set()


def test_existing_persistent_tap_is_configured(world):
    probes.serve_inet(world, w.INET4)
    world.guest.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
    gate = world.start_tap(*CONFINED)
    probes.assert_works(world)
    assert gate.stop() == 0
    assert ipv4(world.guest) == [(w.GUEST4, 24, "10.0.2.255")]


def test_tap_goes_with_the_process(world):
    gate = world.start_tap()
    assert gate.stop() == 0
    w.wait_until(lambda: world.guest.run("ip", "link", "show", "tap0", check=False).returncode,
                 "the tap to go")

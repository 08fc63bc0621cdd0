"""DHCP: the built-in server answers a real client, with and without -c."""

import pytest

import probes
import world as w
from probes import CONFINED

PRINT_LEASE = """#!/bin/sh
[ "$1" = bound ] && echo "ip=$ip subnet=$subnet router=$router dns=$dns"
exit 0
"""


def lease(world):
    """What udhcpc is told, as a dict."""
    script = world.tmp / "print-lease"
    script.write_text(PRINT_LEASE)
    script.chmod(0o755)
    done = world.guest.run("busybox", "udhcpc", "-i", "tap0", "-f", "-q", "-n", "-s", script)
    line = next(line for line in done.stdout.splitlines() if line.startswith("ip="))
    return dict(pair.split("=") for pair in line.split())


@pytest.mark.parametrize("configure", [True, False])
def test_lease(world, configure):
    world.start(*(["-c"] if configure else []), *CONFINED, world.guest.pid, "tap0")
    world.guest.run("ip", "link", "set", "tap0", "up")
    assert lease(world) == {"ip": "10.0.2.15", "subnet": "255.255.255.0",
                            "router": w.GATEWAY4, "dns": w.DNS4}


def test_lease_follows_the_cidr(world):
    world.start_tap("--cidr=10.41.0.0/16", *CONFINED)
    assert lease(world) == {"ip": "10.41.0.15", "subnet": "255.255.0.0",
                            "router": "10.41.0.2", "dns": "10.41.0.3"}


def test_two_clients_get_two_addresses(rootful_world):
    world = rootful_world
    world.start(world.guest.pid, "tap0")
    world.guest.run("ip", "link", "set", "tap0", "up")
    first = lease(world)["ip"]
    world.guest.run("ip", "link", "set", "tap0", "address", "02:00:00:00:00:02")
    assert (first, lease(world)["ip"]) == ("10.0.2.15", "10.0.2.16")


def test_a_lease_is_enough_to_use_the_network(world):
    probes.serve_inet(world, w.INET4)
    world.start(*CONFINED, world.guest.pid, "tap0")
    world.guest.run("ip", "link", "set", "tap0", "up")
    got = lease(world)
    world.guest.run("ip", "addr", "add", f"{got['ip']}/24", "dev", "tap0")
    world.guest.run("ip", "route", "add", "default", "via", got["router"])
    probes.assert_works(world)

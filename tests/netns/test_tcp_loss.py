"""Bulk TCP while frames get lost on the way between the guest and the gate.

    ./dev test tests/netns/test_tcp_loss.py             # a few MiB a case: seconds each
    FULL=1 ./dev test tests/netns/test_tcp_loss.py      # 1 GiB each way a case: hours

What leaves a kernel through its own output hook is not lost when that hook drops it: the sender
is told. So the wire is where frames get lost here: a bridge in the guest, between the TAP and a
namespace that has the guest's address. With offloads one frame on it is up to 64 KiB.
"""
import pytest

import flows
import peers
import probes
import world as w
from probes import CONFINED, FULL, PORT, peer

MIB = 1 << 20
AMOUNT = 1024 * MIB if FULL else 8 * MIB
PATIENCE_S = 4 * 3600 if FULL else 60

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)

DROPS, MTUS, FLOWS = [0, 1, 5], [576, 1500, 65520], [1, 8, 200]
EACH = [(drop, mtu, count) for drop in DROPS for mtu in MTUS for count in FLOWS]
# Each loss with each MTU, each count of flows with each of both at least once.
SOME = [(0, 576, 8), (0, 1500, 200), (0, 65520, 1), (1, 576, 1), (1, 1500, 8), (1, 65520, 200),
        (5, 576, 8), (5, 1500, 1), (5, 65520, 8)]


def drop_frames(ns, percent, family, *hooks):
    """Lose a part of the TCP segments at each of these hooks."""
    ns.run("nft", "add", "table", family, "loss")
    for hook in hooks:
        ns.run("nft", f"add chain {family} loss {hook} {{ type filter hook {hook} priority 0; }}")
        ns.run("nft", "add", "rule", family, "loss", hook, "meta", "l4proto", "tcp",
               "numgen", "random", "mod", "100", "<", percent, "drop")


def behind_a_wire(world, mtu):
    """Start with a bare TAP; a namespace that has the guest's address, behind a bridge."""
    far = world.new_guest_inside(world.guest)
    world.start(f"--mtu={mtu}", *CONFINED, world.guest.pid, "tap0")
    world.guest.run("ip", "link", "add", "wire", "type", "bridge")
    world.guest.run("ip", "link", "add", "far", "type", "veth", "peer", "name", "eth0",
                    "netns", far.pid)
    for device in "tap0", "far":
        world.guest.run("ip", "link", "set", device, "mtu", mtu, "master", "wire", "up")
    world.guest.run("ip", "link", "set", "wire", "up")
    far.run("ip", "link", "set", "eth0", "mtu", mtu, "up")
    far.run("ip", "addr", "add", f"{w.GUEST4}/24", "dev", "eth0")
    far.run("ip", "route", "add", "default", "via", w.GATEWAY4)
    return far


def transfer(world, ns, count, amount=AMOUNT):
    size = amount // count
    for way in "up", "down":
        assert peer(world, ns, flows.bulk, w.INET4, PORT, way, count, size, timeout=PATIENCE_S) == \
            [peers.stream_digest(size)]


@pytest.mark.parametrize("stack", ["native"], indirect=True)    # libslirp takes minutes over some
@pytest.mark.parametrize("drop,mtu,count", EACH if FULL else SOME)
def test_loss_on_the_wire(rootless_world, stack, drop, mtu, count):
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    far = behind_a_wire(world, mtu)
    if drop:
        drop_frames(world.guest, drop, "bridge", "forward")
    transfer(world, far, count)


@pytest.mark.parametrize("drop", [1, 5])
def test_loss_in_the_guests_own_hooks(rootless_world, stack, drop):
    """What the guest sends is refused to it now and then; what comes in is lost."""
    world = rootless_world
    probes.serve_inet(world, w.INET4)
    world.start_tap("--mtu=1500", *CONFINED)
    drop_frames(world.guest, drop, "inet", "input", "output")
    # libslirp waits for a timer after each loss, and at 5 % that is most of a minute for 8 MiB.
    slow = stack == "slirp" and drop == 5
    transfer(world, world.guest, 8, AMOUNT // 8 if slow else AMOUNT)

"""Frames with lying lengths, from a BESS peer and from inside the guest, are dropped."""
import contextlib
import json
import random
import socket
import struct

import pytest

import frames
import peers
import probes
import world as w
from frames import ICMP, UDP, ethernet, ip4
from probes import CONFINED

IP4, IP6, ARP, VLAN = 0x0800, 0x86dd, 0x0806, 0x8100
TCP, ICMP6 = 6, 58


def ip6(proto, payload, length=None, dst="fd00::2"):
    return struct.pack(">IHBB", 6 << 28, len(payload) if length is None else length, proto, 64) + \
        socket.inet_pton(socket.AF_INET6, "fd00::100") + socket.inet_pton(socket.AF_INET6, dst) + \
        payload


def tcp(flags, offset=5, data=b"", options=b""):
    return struct.pack(">HHIIBBHHH", 4000, 9, 1, 0, offset << 4, flags, 1000, 0, 0) + options + data


def short():
    yield from (bytes(n) for n in range(1, 34))
    for kind in (IP4, IP6, ARP, VLAN, 0x0000, 0xffff, 0x05dc):
        yield from (ethernet(kind, bytes(n)) for n in (0, 1, 7, 19, 20, 27, 28, 39, 40))


def lying_ip4():
    for first in (0x40, 0x41, 0x44, 0x46, 0x4f, 0x05, 0x65, 0xf5, 0x00):
        for proto in (ICMP, UDP, TCP, 2, 255):
            yield ip4(proto, frames.echo_request(1), first=first)
    for length in (0, 1, 19, 20, 21, 29, 1000, 1500, 65535):
        for proto in (ICMP, UDP, TCP):
            yield ip4(proto, bytes(30), length=length)


def lying_payloads():
    for length in (0, 1, 7, 9, 1000, 65535):
        yield ip4(UDP, frames.udp(68, 67, b"x" * 8, length=length))
        yield ip4(UDP, frames.udp(4000, 53, b"x" * 8, length=length), dst=w.DNS4)
    for offset in (0, 1, 4, 6, 15):
        for flags in (0x02, 0x10, 0x12, 0x04, 0xff, 0x00):
            yield ip4(TCP, tcp(flags, offset))
            yield ip6(TCP, tcp(flags, offset))
    for options in (b"\2\0\0\0", b"\2\1\0\0", b"\2\xff\5\xb4", b"\1\1\1\2", b"\5\xff\0\0"):
        yield ip4(TCP, tcp(0x02, 6, options=options))
    for kind in range(0, 20):
        yield ip4(ICMP, bytes([kind, 0, 0, 0]))
        yield ip4(ICMP, bytes([kind, 0, 0, 0]) + bytes(4) + ip4(TCP, b"", first=0x4f))


def lying_fragments():
    more = 0x2000
    for offset in (0, 1, 100, 0x1ffe, 0x1fff):
        for size in (0, 7, 8, 1400):
            yield ip4(UDP, bytes(size), fragment=offset | more)
            yield ip4(UDP, bytes(size), fragment=offset)
    for offset in (3, 2, 1, 0, 5, 4, 1, 2):
        yield ip4(ICMP, bytes(40), fragment=offset | more)


def lying_dhcp():
    whole = frames.dhcp_discover()
    for options in (b"", b"\x35", b"\x35\xff", b"\x35\0", b"\x32\xff\1", b"\x0c\xff" + b"a" * 255,
                    b"\x35\x01\x01" * 100):
        yield whole[:14 + 28 + 240] + options
    yield from (whole[:n] for n in (42, 43, 100, 277, 278, 282))


def lying_ip6():
    for length in (0, 1, 8, 1000, 65535):
        for proto in (TCP, UDP, ICMP6, 0, 43, 44, 59, 60, 255):
            yield ip6(proto, bytes(16), length=length)
    for kind in range(128, 140):
        for dst in ("fe80::2", "ff02::1", "ff02::2", "fd00::2", "::"):
            yield ip6(ICMP6, bytes([kind, 0, 0, 0]) + bytes(4), dst=dst)
            yield ip6(ICMP6, bytes([kind, 0, 0, 0]) + bytes(20) + b"\1\0" * 8, dst=dst)


def lying_arp():
    for head in ((1, IP4, 6, 4), (1, IP4, 255, 255), (1, IP4, 0, 0), (6, IP6, 16, 16)):
        for op in (0, 1, 2, 3, 65535):
            yield ethernet(ARP, struct.pack(">HHBBH", *head, op) + bytes(20))
            yield ethernet(ARP, struct.pack(">HHBBH", *head, op) + b"\xff" * 20)


def giant():
    for size in (1515, 9015, 65535):
        yield ethernet(IP4, ip4(UDP, bytes(size - 34), length=size - 14 & 0xffff))
        yield ethernet(IP6, bytes(size - 14))


def mutated(count=3000):
    """Good frames with a few bytes changed; the same ones in every run."""
    rng = random.Random(4)
    good = [frames.dhcp_discover(), frames.arp_request(w.GATEWAY4),
            ethernet(IP4, ip4(ICMP, frames.echo_request(1))),
            ethernet(IP4, ip4(UDP, frames.udp(4000, 9, bytes(40)))),
            ethernet(IP4, ip4(TCP, tcp(2, 6, options=b"\2\4\5\xb4"))),
            ethernet(IP6, ip6(TCP, tcp(2))),
            ethernet(IP6, ip6(UDP, frames.udp(4000, 9, bytes(40)))),
            ethernet(IP6, ip6(ICMP6, b"\x85\0\0\0\0\0\0\0\1\1" + frames.MAC, dst="ff02::2"))]
    for _ in range(count):
        frame = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        yield bytes(frame[:rng.randint(14, len(frame))] if rng.random() < 0.3 else frame)


def hostile_frames():
    yield from short()
    for packets in (lying_ip4, lying_payloads, lying_fragments):
        for packet in packets():
            yield ethernet(IP6 if packet[0] >> 4 == 6 else IP4, packet)
    yield from lying_dhcp()
    yield from (ethernet(IP6, packet) for packet in lying_ip6())
    yield from lying_arp()
    yield from giant()
    yield from mutated()


def test_from_a_bess_peer(world):
    path = world.tmp / "bess.sock"
    gate = world.start("-6", "--mtu=65521", *CONFINED, "--target-type=bess", path, wait=False)
    client = frames.BessClient(path)
    gate.wait_ready()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    too_long = [bytes(65536), bytes(100000), b"\xff" * 70000]
    for number, frame in enumerate([*hostile_frames(), *too_long]):
        client.send(frame)
        assert gate.process.poll() is None, f"died after frame {number}: {gate.stderr()}"
        with contextlib.suppress(BlockingIOError):
            while client.sock.recv(70000, socket.MSG_DONTWAIT):
                pass
    client.resolve_gateway()
    client.ping(77)
    client.close()
    assert gate.stop() == 0
    assert "dropped" in gate.stderr()


@pytest.mark.parametrize("mtu", [1500, 65521])
def test_from_inside_the_guest(world, mtu):
    """Raw sockets of the guest's own root; the interface takes what fits its MTU."""
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap("-6", f"--mtu={mtu}", *CONFINED)
    taken = probes.peer(world, world.guest, peers.send_frames, "tap0",
                        input=json.dumps([frame.hex() for frame in hostile_frames()]))
    assert taken > 3000
    world.guest.run("ip", "neigh", "flush", "dev", "tap0")     # what the gate learned was a lie
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    probes.assert_works(world)
    assert gate.stop() == 0
    assert "dropped" in gate.stderr()

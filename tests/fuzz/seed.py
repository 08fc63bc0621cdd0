#!/usr/bin/env python3
"""Write the seeds of the fuzz corpora: one input for each kind of thing that a target tells apart.

usage: seed.py CORPUS_DIRECTORY
What the fuzzers find is added beside these by hand, one file a finding.
"""
import pathlib
import struct
import sys

ETHER = b"\x52\x55\x0a\x00\x02\x02\x02\x00\x00\x00\x00\x01"


def ip4(proto, payload, dst="192.0.2.2", fragment=0, options=b""):
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(payload), 1, fragment, 64, proto, 0)
    addresses = bytes([10, 0, 2, 100]) + bytes(map(int, dst.split(".")))
    return ETHER + b"\x08\x00" + head + addresses + options + payload


def ip6(proto, payload):
    head = struct.pack(">IHBB", 0x60000000, len(payload), proto, 64)
    return ETHER + b"\x86\xdd" + head + b"\xfd" + bytes(14) + b"\x64" + b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02" + payload


def tcp(flags, options=b"", payload=b""):
    offset = (20 + len(options)) << 2
    return struct.pack(">HHIIBBHHH", 4000, 80, 1, 2, offset, flags, 0xffff, 0, 0) + options + payload


UDP = struct.pack(">HHHH", 4000, 53, 12, 0) + b"data"
TCP = struct.pack(">HHIIBBHHH", 4000, 80, 1, 0, 0x50, 2, 0xffff, 0, 0)
URGENT = struct.pack(">HHIIBBHHH", 4000, 80, 1, 1, 0x50, 0x38, 0xffff, 0, 4) + b"data"
FRAMES = {
    "arp": ETHER + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" + bytes(20),
    "udp4": ip4(17, UDP), "udp4-nowhere": ip4(17, UDP, "10.0.2.77"), "tcp4": ip4(6, TCP),
    "icmp4": ip4(1, b"\x08\x00\xf7\xff\x00\x00\x00\x00"), "fragment4": ip4(17, UDP, fragment=0x2001),
    "udp6": ip6(17, UDP), "tcp6": ip6(6, TCP), "icmp6": ip6(58, b"\x85\x00\x00\x00\x00\x00\x00\x00"),
    "hop-by-hop6": ip6(0, b"\x3a\x00\x05\x02\x00\x00\x01\x00" + b"\x8f\x00\x00\x00\x00\x00\x00\x00"),
    "fragment6": ip6(44, b"\x11\x00\x00\x01\x00\x00\x00\x01" + UDP), "ncsi": ETHER + b"\x88\xf8" + bytes(20),
    "tftp4": ip4(17, struct.pack(">HHHH", 4000, 69, 12, 0) + b"data", "10.0.2.2"), "urgent6": ip6(6, URGENT),
    "dhcp6": ip6(17, struct.pack(">HHHH", 546, 547, 12, 0) + b"data"),
    "short": b"\x00\x01\x02", "lying-length": ip4(17, UDP)[:-2], "padded": ip4(17, UDP) + bytes(18),
}
DHCP = struct.pack(">HHHH", 68, 67, 12, 0) + b"data"
DATAGRAMS = {name: FRAMES[name] for name in ("udp4", "udp6", "tftp4", "padded", "dhcp6")} | {
    "empty4": ip4(17, UDP[:4] + b"\0\x08\0\0"), "long6": ip6(17, struct.pack(">HHHH", 1, 2, 3008, 0) + bytes(3000)),
    "long4": ip4(17, struct.pack(">HHHH", 1, 2, 1508, 0) + bytes(1500)), "options4": ip4(17, UDP, options=b"\x01" * 8),
    "hop-by-hop6": ip6(0, b"\x11\x00\x01\x04\x00\x00\x00\x00" + UDP), "port-0": ip4(17, UDP[:2] + b"\0\0" + UDP[4:]),
    "shorter": ip4(17, UDP + b"surplus"), "longer": ip4(17, UDP[:-1]), "length-7": ip4(17, UDP[:4] + b"\0\x07" + UDP[6:]),
}


def piece4(offset, payload, more=True, ident=1, options=b""):
    frame = bytearray(ip4(17, payload, fragment=offset // 8 | 0x2000 * more, options=options))
    frame[18:20] = struct.pack(">H", ident)
    end = 34 + len(options)
    total = sum(struct.unpack(f">{(end - 14) // 2}H", frame[14:end]))
    total = (total & 0xffff) + (total >> 16)
    frame[24:26] = struct.pack(">H", ~((total & 0xffff) + (total >> 16)) & 0xffff)
    return bytes(frame)


def piece6(offset, payload, more=True, ident=1, front=b"", proto=17):
    return ip6(0 if front else 44, front + struct.pack(">BBHI", proto, 0, offset | more, ident) + payload)


def row(*frames, later=()):
    return b"".join(struct.pack(">H", len(f) | 0x8000 * (i in later)) + f for i, f in enumerate(frames))


HALF, REST, OPTIONS = UDP[:8], UDP[8:], b"\x2c\x00\x01\x04\x00\x00\x00\x00"
FRAGMENTS = {
    "in-order4": row(piece4(0, HALF), piece4(8, REST, False)), "in-order6": row(piece6(0, HALF), piece6(8, REST, False)),
    "three6": row(piece6(0, HALF), piece6(8, bytes(8)), piece6(16, b"x", False)), "atomic6": row(piece6(0, UDP, False)),
    "overlap4": row(piece4(0, HALF + bytes(8)), piece4(8, REST, False)), "overlap6": row(piece6(0, HALF + bytes(8)), piece6(8, REST, False)),
    "again4": row(piece4(0, HALF), piece4(0, HALF), piece4(8, REST, False)), "again6": row(piece6(0, HALF), piece6(0, HALF), piece6(8, REST, False)),
    "late": row(piece4(0, HALF), piece6(0, HALF), piece4(8, REST, False), piece6(8, REST, False), later=(0, 1, 2, 3)),
    "many": row(*(piece4(0, HALF, ident=i) for i in range(20)), *(piece6(0, HALF, ident=i) for i in range(20)), piece6(8, REST, False, 19)),
    "options": row(piece4(0, HALF, options=b"\x01" * 4), piece4(8, REST, False), piece6(0, HALF, front=OPTIONS), piece6(8, REST, False)),
    "nested6": row(piece6(0, struct.pack(">BBHI", 17, 0, 0, 2), proto=44), piece6(8, UDP, False)), "hole": row(piece4(0, HALF), piece4(16, REST, False)),
    "beyond4": row(piece4(65528, bytes(8)), piece4(65528, bytes(9), False)), "beyond6": row(piece6(65528, bytes(8)), piece6(65528, b"", False)),
}
SYN, PUSH, ACK = 0x02, 0x18, 0x10
LINUX_SYN = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07"
SACK = b"\x00\x00\x00\x10\x00\x00\x00\x20"
EXTENSIONS = b"\x2b\x00\x01\x04" + bytes(4) + b"\x3c\x00\xfd\x00" + bytes(4) + b"\x06\x00\x01\x04" + bytes(4)
SEGMENTS = {
    "syn4": ip4(6, tcp(SYN, LINUX_SYN)), "syn6": ip6(6, tcp(SYN, LINUX_SYN)), "data4": ip4(6, tcp(PUSH, payload=b"data")),
    "data6": ip6(6, tcp(PUSH, payload=b"odd")), "ip-options": ip4(6, tcp(PUSH, payload=b"data"), options=b"\x94\x04\x00\x00"),
    "extensions6": ip6(0, EXTENSIONS + tcp(PUSH, payload=b"data")), "padded": ip4(6, tcp(ACK)) + bytes(6),
    "sack": ip4(6, tcp(ACK, b"\x01\x01\x05\x0a" + SACK)), "sacks": ip6(6, tcp(ACK, b"\x01\x01\x05\x22" + 4 * SACK)),
    "sack-half": ip4(6, tcp(ACK, b"\x05\x06\x00\x00\x00\x10\x01\x01")), "urgent": ip4(6, tcp(0x38, payload=b"u")),
    "wscale-15": ip4(6, tcp(SYN, b"\x03\x03\x0f\x00")), "length-zero": ip4(6, tcp(SYN, b"\x02\x00\x05\xb4")),
    "length-beyond": ip4(6, tcp(SYN, b"\x01\x01\x02\x04")), "no-length": ip4(6, tcp(SYN, b"\x01\x01\x01\xfe")),
    "unknown": ip4(6, tcp(SYN, b"\xfe\x04\x00\x00")), "reset": ip4(6, tcp(0x14)), "fin6": ip6(6, tcp(0x11)),
}


def summed(icmp, pseudo=b""):
    """An ICMP message with its checksum."""
    total = sum(struct.unpack(f">{len(pseudo + icmp) // 2}H", pseudo + icmp))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return icmp[:2] + struct.pack(">H", ~total & 0xffff) + icmp[4:]


def too_big4(mtu, quote, kind=b"\x03\x04"):
    return ip4(1, summed(kind + bytes(4) + struct.pack(">H", mtu) + quote))


def too_big6(mtu, quote):
    icmp = b"\x02\x00\x00\x00" + struct.pack(">I", mtu) + quote
    return ip6(58, summed(icmp, ip6(58, b"")[22:] + struct.pack(">II", len(icmp), 58)))


def returned(packet):
    """An IP packet from where ip4() and ip6() send theirs."""
    first, end = (12, 20) if packet[0] >> 4 == 4 else (8, 40)
    half = (first + end) // 2
    return packet[:first] + packet[half:end] + packet[first:half] + packet[end:]


QUOTE4 = returned(ip4(6, tcp(0x10, payload=b"data"))[14:])
QUOTE6 = returned(ip6(6, tcp(0x10, payload=b"data"))[14:])
TOO_BIG = {
    "told4": too_big4(1400, QUOTE4), "told6": too_big6(1400, QUOTE6), "least4": too_big4(68, QUOTE4[:28]),
    "least6": too_big6(1280, QUOTE6[:48]), "too-little4": too_big4(67, QUOTE4), "too-little6": too_big6(1279, QUOTE6),
    "unsaid4": too_big4(0, QUOTE4), "unreachable4": too_big4(1400, QUOTE4, b"\x03\x01"), "cut4": too_big4(1400, QUOTE4[:26]),
    "cut6": too_big6(1400, QUOTE6[:44]), "udp4": too_big4(1400, returned(ip4(17, UDP)[14:])), "udp6": too_big6(1400, returned(ip6(17, UDP)[14:])),
    "options4": too_big4(1400, returned(ip4(6, tcp(0x10), options=b"\x94\x04\x00\x00")[14:])), "echo4": FRAMES["icmp4"],
    "stranger4": too_big4(1400, ip4(6, tcp(0x10))[14:]), "fragment4": too_big4(1400, returned(ip4(6, tcp(0x10), fragment=0x2000)[14:])),
    "wrong-sum6": too_big6(1400, QUOTE6)[:-1] + b"?",
}



def framed(*frames):
    return b"".join(struct.pack(">I", len(f)) + f for f in frames)


def lying(length):
    return framed(FRAMES["udp4"]) + struct.pack(">I", length) + FRAMES["udp4"]


# The first byte: how the stream is cut (fuzz_stream.c).
STREAMS = {
    "whole": b"\xff" + framed(FRAMES["udp4"], FRAMES["tcp6"]), "bytes": b"\x01" + framed(FRAMES["udp4"], FRAMES["tcp6"]),
    "least": b"\x03" + framed(bytes(14), bytes(14)), "longest": b"\x7f" + framed(bytes(65589), FRAMES["udp4"]),
    "length-0": b"\x02" + lying(0), "length-13": b"\x02" + lying(13), "length-most": b"\x02" + lying(0xffffffff),
    "one-more": b"\xff" + framed(bytes(65590)), "cut": b"\x05" + framed(FRAMES["udp4"])[:-1], "many": b"\xff" + framed(*[FRAMES["udp4"]] * 64),
}

def vnet(frame, partial=True, gso_type=0, gso_size=0, start=34, offset=16):
    """struct virtio_net_hdr in front, as it stands on a little-endian machine."""
    return struct.pack("<BBHHHH", partial, gso_type, 0, gso_size, start, offset) + frame


GATE = {name: vnet(frame, False, start=0, offset=0) for name, frame in FRAMES.items()} | {
    "partial-tcp4": vnet(FRAMES["tcp4"]), "partial-tcp6": vnet(FRAMES["urgent6"], start=54),
    "partial-udp4": vnet(FRAMES["udp4"], offset=6), "partial-lie": vnet(FRAMES["tcp4"], start=14, offset=2),
    "partial-outside": vnet(FRAMES["tcp4"], start=0xffff, offset=0xffff), "large4": vnet(FRAMES["tcp4"], True, 1, 1460),
    "too-big4": vnet(TOO_BIG["told4"], False, start=0, offset=0), "large-udp4": vnet(DATAGRAMS["long4"], True, 5, 100, offset=6),
    "large-udp6": vnet(DATAGRAMS["long6"], True, 5, 1400, start=54, offset=6), "large-udp-0": vnet(DATAGRAMS["long4"], True, 5, 0, offset=6),
    "large-udp-1": vnet(DATAGRAMS["long4"], True, 5, 1, offset=6), "dhcp4": vnet(ip4(17, DHCP, "10.0.2.2"), False, start=0, offset=0),
    "atomic6": vnet(piece6(0, UDP, False), False, start=0, offset=0),
}


# Steps of tests/fuzz/fuzz_tcp.c. Where the numbers of a segment are counted from:
EDGE, FIRST, GIVEN = 1, 2, 3


def say(flags, length=0, seq=0, ack=0, which=0, seq_from=0, ack_from=0, window=0xff, options=b"\0", large=False):
    start = which | seq_from << 2 | ack_from << 4 | large << 6
    return struct.pack(">BBBbbBB", 1, start, flags, seq, ack, window, length) + options


def host(what, argument=0, kilo=False):
    return bytes([5, what | kilo << 3, argument])


def wait(exponent):
    return bytes([0, exponent])


FIN, RST = 0x11, 0x04
CONNECT, REFUSE, WRITE, FINISH, READ, CAPACITY, FAIL, EVENT = range(8)
SYN_ALL = say(SYN, options=b"\x76\x00\x00\x00\x00")     # window scale 7, SACK
OPEN = SYN_ALL + host(CONNECT) + say(ACK)
OPEN6 = say(SYN, which=2) + host(CONNECT) + say(ACK, which=2)
ACCEPT, ACCEPT6, MAC, NO_MAC = b"\x07", b"\x57", b"\x0f", b"\x26"
def narrow(mtu_step, seq=0, which=0):
    return bytes([0x46, which, seq & 0xff, mtu_step])


EMPTY_POOL, FULL_POOL = b"\x0e", b"\x06"
CONNECTIONS = {
    "refused": SYN_ALL + host(REFUSE), "unreachable6": say(SYN, which=2) + host(REFUSE, 1), "time-out": SYN_ALL + host(REFUSE, 4),
    "syn-again": 3 * SYN_ALL + host(CONNECT) + SYN_ALL + say(ACK), "syn-ack-lost": SYN_ALL + host(CONNECT) + 14 * wait(16),
    "guest-closes": OPEN + say(PUSH, 100) + say(FIN) + host(WRITE, 100) + host(FINISH) + say(ACK),
    "host-closes": OPEN + host(WRITE, 100) + host(FINISH) + say(ACK) + say(PUSH, 100) + say(FIN) + wait(15),
    "both-close": OPEN + host(FINISH) + say(FIN, ack=-1) + say(ACK, ack_from=FIRST) + wait(16), "port-again": OPEN + host(FINISH)
    + say(ACK) + say(FIN) + say(SYN, seq=100) + host(CONNECT) + say(ACK),
    "guest-resets": OPEN + say(PUSH, 10) + say(RST), "host-fails": OPEN + host(WRITE, 9) + host(FAIL, 7), "fail-late": OPEN
    + host(CAPACITY, 5) + say(PUSH, 200) + host(FAIL, 6), "blind": OPEN + say(RST, seq=9) + say(SYN, seq=9) + say(ACK, ack=99),
    "early": OPEN + say(PUSH, 100, seq=100) + say(PUSH, 100, seq=50) + say(PUSH, 100), "sacked": OPEN + 5 * host(WRITE, 9, True)
    + 4 * say(ACK, ack_from=FIRST, options=b"\x01\x10\x40") + say(ACK), "duplicates": OPEN + host(WRITE, 40, True)
    + 4 * say(ACK, ack_from=FIRST) + 3 * say(ACK, ack=-100) + say(ACK), "beyond": OPEN + say(PUSH, 10, seq_from=EDGE, seq=5),
    "host-full": OPEN + host(CAPACITY, 4, True) + 40 * say(PUSH, 255, large=True) + 9 * host(READ, 255, True) + say(FIN),
    "guest-full": OPEN + say(ACK, window=0) + host(WRITE, 200, True) + 4 * wait(12) + say(ACK, window=0) + say(ACK) + say(ACK),
    "pool": OPEN + EMPTY_POOL + host(WRITE, 200) + wait(8) + host(CAPACITY) + say(PUSH, 99) + FULL_POOL + wait(8) + say(PUSH, 99),
    "silence": OPEN + 2 * wait(23) + 12 * wait(17), "give-up": OPEN + host(WRITE, 99) + 14 * wait(17),
    "forgotten": OPEN + host(FINISH) + say(ACK) + 2 * wait(16) + say(RST), "ipv6": OPEN6 + say(PUSH, 10, which=2) + say(FIN, which=2)
    + host(FINISH) + say(ACK, which=2), "gateway": say(SYN, which=3) + host(CONNECT) + say(ACK, which=3), "events": OPEN
    + host(EVENT, 0x1f) + host(EVENT, 8) + host(EVENT, 0x10), "unwatched": SYN_ALL + b"\x16" + host(CONNECT),
    "host-begins": ACCEPT + say(SYN | ACK) + host(WRITE, 100) + say(PUSH, 100) + say(FIN) + host(FINISH) + say(ACK),
    "host-begins6": ACCEPT6 + say(SYN | ACK, which=2) + say(PUSH, 100, which=2), "both-begin": ACCEPT + say(SYN) + say(ACK),
    "guest-refuses": ACCEPT + say(RST | ACK), "guest-is-silent": ACCEPT + host(WRITE, 9) + 7 * wait(16),
    "no-mac": NO_MAC + ACCEPT + wait(12) + MAC + say(SYN | ACK), "old-guest": ACCEPT + say(ACK, ack=99) + wait(10) + say(SYN | ACK),
    "headers": OPEN + bytes([3 | 3 << 5]) + say(PUSH, 10)[1:] + bytes([46, 0x40, 47, 1, 14, 0xff]), "raw": bytes([4, len(FRAMES["tcp4"])])
    + FRAMES["tcp4"] + host(CONNECT), "wrap": OPEN + 20 * (say(PUSH, 255) + host(WRITE, 255) + say(ACK)), "urgent": OPEN + say(0x38, 4),
    "narrow": OPEN + host(WRITE, 40, True) + narrow(100, -1) + narrow(200) + narrow(10) + say(ACK), "narrow6": OPEN6
    + host(WRITE, 40, True) + narrow(0, -100, 2) + say(ACK, which=2), "narrow-raw": OPEN + host(WRITE, 2, True)
    + bytes([4, len(TOO_BIG["told4"])]) + TOO_BIG["told4"],
}
ADD = '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"%s","host_port":%s,"guest_addr":"","guest_port":80}}\n'
REQUESTS = {
    "add": ADD % ("0.0.0.0", 8080), "add6": ADD % ("::", 8080), "add-name": ADD % ("localhost", 80),
    "add-fraction": ADD % ("", "80.5"), "add-huge": ADD % ("", "1e99"), "add-bare": '{"execute":"add_hostfwd"}',
    "list": '{"execute":"list_hostfwd"}\0', "stats": '{"execute":"get_stats"}', "remove": '{"execute":"remove_hostfwd","arguments":{"id":1}}',
    "add-range": ADD % ("", '1,"count":9'), "add-path": ADD % ("", '1,"host_path":"/x"'), "drop": '{"execute":"remove_hostfwd","arguments":{"id":1,"drop":true}}',
    "list-flows": '{"execute":"list_flows","arguments":{"after":17,"limit":10000,"proto":"udp","guest_port":53,"peer_addr":"fd00::3"}}',
    "list-flows-bare": '{"execute":"list_flows"}', "list-flows-bad": '{"execute":"list_flows","arguments":{"limit":1e99,"after":null,"proto":1}}',
    "kill-flow": '{"execute":"kill_flow","arguments":{"id":9007199254740992}}', "kill-flow-bad": '{"execute":"kill_flow","arguments":{"id":-0.5}}',
    "array": "[1]", "number": "12", "string": '"a\\"b"', "open": '{"a":"\\', "twice": '{"a":1,"a":2}', "empty": " ",
}
NAMESERVERS = {
    "one": "nameserver 192.0.2.1\n", "both": "search a.test\nnameserver 2001:db8::1\nnameserver 192.0.2.1\n",
    "scope": "nameserver fe80::1%eth0\n", "comment": "# nameserver 192.0.2.1\nnameserver\t127.0.0.53 # here",
    "bad": "nameserver a.test\nnameserver 192.0.2.300\nnameserver", "ends": "nameserver 192.0.2.1\r\n\n\0nameserver ::1%",
}
PORTS = {
    "number": "80", "range": "8000-8099:9000-9099/udp", "both": "127.0.0.1:8080:10.0.2.50:80/tcp+udp", "chosen": "0:80",
    "ipv6": "[::1]:1-3:[fd00::100]:4-6", "unix": "unix:/run/a:b.sock:80", "brackets": "[::1:80:80", "parts": "1:2:3:4:5", "protocol": "80/sctp",
}
LINES = {
    "podman": "--disable-host-loopback|--mtu=65520|--enable-sandbox|--enable-seccomp|--enable-ipv6|-c|-e|3|-r|4|--netns-type=path|/proc/self/ns/net|tap0",
    "rootlesskit": "--mtu|65520|-r|3|--disable-host-loopback|--cidr|10.41.0.0/16|12345|tap0",
    "bess": "--target-type=bess|/tmp/bess.sock", "tapfd": "--netns-type=tapfd|7", "mac": "-c|--macaddress=e:4:8:9:8:b|1|tap0",
    "outbound": "--outbound-addr=lo|--outbound-addr6=::1|1|tap0", "ambiguous": "--enable-s", "abbreviated": "--conf|--mt=1400|1|tap0",
    "permuted": "1|--cidr|10.0.1.0/24|tap0|-c", "cidr": "--cidr=10.0.2.128/25|1|tap0", "help": "-h", "version": "--version",
    "exact": "--tcp=native|--t|bess|/tmp/bess.sock|--pcap|x|--pcap-limit=1", "publish": "--publish=80|--publish|0:53/udp|1|tap0|--publish=unix:/x:80", "publish-bad": "--publish=80/sctp|1|tap0", "missing": "-m", "dashes": "--|1|tap0", "numbers": "-e| 3|-r|+4|-m|4294967297|1|tap0",
}


# Steps of tests/fuzz/fuzz_udp.c.
def send(ports=0x71, to=0, step=3, v6=False, gso=False, len_=10, ttl=64, tos=0):
    return bytes([1, step | v6 << 3 | to << 4 | gso << 7, ports, len_, ttl, tos])


END, ANSWER = b"\x04", b"\x02\x00\x00\x02" + 2 * bytes([0x75, 9, 40, 12, 3, 0x07])
ERROR = b"\x02\x00\x01" + bytes([2, 3, 3, 0, 111, 1, 0x07, 9]) + b"quoted..." + b"\x00"
LISTEN, LISTEN6, CLIENT = b"\x05\x10\x00\x00", b"\x05\x18\x00\x00", b"\x02\x00\x00\x01" + bytes([0x10, 9, 40, 12, 3, 0x17])
UDP = {
    "both-ways": b"\0" + send() + b"\0\0" + END + ANSWER, "both-ways6": b"\1" + send(v6=True) + b"\0\0" + END + ANSWER,
    "error": b"\0" + send() + b"\0\0" + END + ERROR, "names": b"\0" + send(0x01, 1) + b"\0\0\0" + END + ANSWER + b"\3\x0f" + END,
    "many": b"\4" + b"".join(send(0x70 | i) + b"\0\0" for i in range(16)) + END, "age": b"\0" + send() + b"\0\0" + END + b"\3\x11\3\x11",
    "groups": b"\0" + send(to=3) + send(to=4) + send(to=3, v6=True), "large": b"\0" + send(gso=True, len_=255) + b"\0\0" + END,
    "failing": b"\0\7\7" + send() + b"\0\0" + send() + END + b"\1\2\3\4\5", "closed": b"\x80" + send() + END,
    "session": b"\0" + LISTEN + CLIENT + send(0x72) + END + b"\5\x10", "no-mac": b"\0\7\0" + LISTEN + CLIENT + CLIENT + b"\6\2" + b"\5\x10",
    "session6": b"\0" + LISTEN6 + CLIENT + END, "raw": b"\0\0" + bytes([len(FRAMES["udp4"])]) + FRAMES["udp4"] + b"\1\0\0\0" + END,
}


def write(folder, inputs):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in inputs.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


root = pathlib.Path(sys.argv[1])
write(root / "frame", FRAMES)
write(root / "tcpseg", SEGMENTS)
write(root / "toobig", TOO_BIG)
write(root / "stream", STREAMS)
write(root / "udpgram", DATAGRAMS)
write(root / "defrag", FRAGMENTS)
write(root / "gate", GATE)
write(root / "tcp", CONNECTIONS)
write(root / "apireq", REQUESTS)
write(root / "nameserver", NAMESERVERS)
write(root / "portspec", PORTS)
write(root / "cli", {name: line.replace("|", "\n") for name, line in LINES.items()})
write(root / "udp", UDP)

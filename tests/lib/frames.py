"""Ethernet frames made and read by hand, for peers that have no kernel behind them."""
import contextlib
import select
import socket
import struct
import time

import world as w

MAC = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
ETH_IP4, ETH_ARP = 0x0800, 0x0806
ICMP, TCP, UDP = 1, 6, 17


def address(text):
    return socket.inet_aton(text)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(kind, payload, to=BROADCAST):
    return to + MAC + struct.pack(">H", kind) + payload


def arp(operation, target, sender=w.GUEST4, mac=MAC):
    return ethernet(ETH_ARP, struct.pack(">HHBBH6s4s6s4s", 1, ETH_IP4, 6, 4, operation, mac,
                                         address(sender), bytes(6), address(target)))


def arp_request(target, sender=w.GUEST4):
    return arp(1, target, sender)


def ip4(proto, payload, src=w.GUEST4, dst=w.GATEWAY4, length=None, first=0x45, fragment=0):
    """An IPv4 packet; length, first byte (version, IHL) and fragment field may lie."""
    head = struct.pack(">BBHHHBBH4s4s", first, 0, 20 + len(payload) if length is None else length,
                       1, fragment, 64, proto, 0, address(src), address(dst))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def echo_request(number, data=b"ping"):
    body = struct.pack(">HH", 0x4747, number) + data
    return struct.pack(">BBH", 8, 0, checksum(b"\x08\0\0\0" + body)) + body


def udp(sport, dport, data, length=None):
    """A datagram without checksum; its length field may lie."""
    return struct.pack(">HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def tcp(sport, dport, seq, ack, flags, src=w.GUEST4, dst=w.INET4):
    """A segment without data or options."""
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 0xffff, 0, 0)
    pseudo = struct.pack(">4s4sBBH", address(src), address(dst), 0, TCP, len(head))
    return head[:16] + struct.pack(">H", checksum(pseudo + head)) + head[18:]


def dhcp_discover(number=1):
    """A whole frame that asks for an address."""
    bootp = struct.pack(">BBBBIHH4s4s4s4s16s64x128x", 1, 1, 6, 0, number, 0, 0x8000, bytes(4),
                        bytes(4), bytes(4), bytes(4), MAC)
    options = bytes.fromhex("63825363" "350101" "ff")
    return ethernet(ETH_IP4, ip4(UDP, udp(68, 67, (bootp + options).ljust(300, b"\0")),
                                 src="0.0.0.0", dst="255.255.255.255"))


class BessClient:
    """The far end of --target-type=bess: one packet on the socket is one frame."""

    def __init__(self, path):
        self.sock = w.wait_until(lambda: self._connect(path), f"somebody to accept on {path}")
        self.gateway = None

    @staticmethod
    def _connect(path):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            sock.connect(str(path))
            return sock
        sock.close()
        return None

    def send(self, frame):
        self.sock.send(frame)

    def answer_to(self, frame, accept):
        """Send a frame; the first one that comes back and is what we want."""
        self.send(frame)
        return self.receive(accept)

    def receive(self, accept):
        """The next frame that is what we want."""
        end = time.monotonic() + w.DEADLINE_S
        while time.monotonic() < end:
            readable, _, _ = select.select([self.sock], [], [], w.DEADLINE_S)
            got = self.sock.recv(70000) if readable else b""
            assert got, "the gate has closed the connection or is silent"
            if accept(got):
                return got
        raise AssertionError("only other frames came back")

    def resolve_gateway(self, target=w.GATEWAY4):
        got = self.answer_to(arp_request(target), lambda f: f[12:14] == b"\x08\x06" and f[21] == 2)
        self.gateway = got[6:12]
        return got[22:28]

    def send_ip4(self, proto, payload, **fields):
        self.send(ethernet(ETH_IP4, ip4(proto, payload, **fields), to=self.gateway))

    def ask_ip4(self, proto, payload, accept, **fields):
        """Exchange IP payloads with an address behind the gateway."""
        frame = ethernet(ETH_IP4, ip4(proto, payload, **fields), to=self.gateway)
        got = self.answer_to(frame, lambda f: f[12:14] == b"\x08\0" and f[23] == proto
                             and accept(f[34:]))
        return got[34:14 + struct.unpack(">H", got[16:18])[0]]

    def ping(self, number=1, dst=w.GATEWAY4):
        return self.ask_ip4(ICMP, echo_request(number),
                            lambda p: p[0] == 0 and p[6:8] == struct.pack(">H", number), dst=dst)

    def close(self):
        self.sock.close()

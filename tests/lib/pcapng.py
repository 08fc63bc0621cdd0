"""A strict reader of the captures that the program writes: whole blocks, and nothing after them."""
import dataclasses
import struct

SECTION, INTERFACE, PACKET = 0x0a0d0d0a, 1, 6
DIRECTIONS = {1: "to-guest", 2: "from-guest"}       # the option epb_flags, from the guest's side


@dataclasses.dataclass
class Packet:
    time_ns: int
    direction: str
    frame: bytes


def blocks(data):
    while data:
        kind, length = struct.unpack("=II", data[:8])
        assert length % 4 == 0 and data[length - 4:length] == data[4:8], "a block is cut"
        yield kind, data[8:length - 4]
        data = data[length:]


def options(data):
    found = {}
    while data:
        code, length = struct.unpack("=HH", data[:4])
        found[code] = data[4:4 + length]
        data = data[4 + (length + 3) // 4 * 4:]
    return found


def read(data):
    """The name of the interface, and the packets."""
    (first, section), (second, interface), *rest = blocks(data)
    assert (first, second) == (SECTION, INTERFACE)
    assert struct.unpack("=IHH", section[:8]) == (0x1a2b3c4d, 1, 0)
    described = options(interface[8:])
    assert described[9] == b"\x09"      # times are in nanoseconds
    return described[2].decode(), [packet(kind, body) for kind, body in rest]


def packet(kind, body):
    assert kind == PACKET
    interface, high, low, captured, original = struct.unpack("=IIIII", body[:20])
    assert (interface, captured) == (0, original)
    flags, = struct.unpack("=I", options(body[20 + (captured + 3) // 4 * 4:])[2])
    return Packet(high << 32 | low, DIRECTIONS[flags], body[20:20 + captured])

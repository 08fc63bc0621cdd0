"""The far ends of links: programs of a sandbox that know nothing of gate4netns.

    link_peers.py PROGRAM [ARGUMENT]...

The conventions are those of peers.py, which lies in the same folder wherever this is run. PLACE is the
path of a listening socket, or the number of an inherited descriptor that is connected.
"""
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys

IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD = 0x400454ca, 0x400454d0
FRAME_MAX = 70000
TYPES = {"seqpacket": socket.SOCK_SEQPACKET, "stream": socket.SOCK_STREAM,
         "bess": socket.SOCK_SEQPACKET}
PLAN = ("addr add 10.0.2.100/24 dev {0}", "addr add fd00::64/64 dev {0} nodad",
        "link set {0} mtu {1} up", "link set lo up", "route add default via 10.0.2.2",
        "-6 route add default via fd00::2 dev {0}")


def open_device(name, flags):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags | IFF_NO_PI))
    return device


def configure(name, mtu):
    for line in PLAN:
        subprocess.run(["ip", *line.format(name, mtu).split()], check=True)


def reach(kind, place):
    if str(place).isdigit():
        return socket.socket(fileno=int(place))
    sock = socket.socket(socket.AF_UNIX, TYPES[kind])
    sock.connect(place)
    return sock


class Messages:
    """One packet, or one frame, a message."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, packet):
        self.sock.send(packet)

    def receive(self):
        got = self.sock.recv(FRAME_MAX)
        return [got] if got else None


class Stream:
    """Each frame behind its length; several may come at once, and none of them whole."""

    def __init__(self, sock):
        self.sock, self.pending = sock, b""

    def send(self, frame):
        self.sock.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self):
        got = self.sock.recv(FRAME_MAX)
        if not got:
            return None
        self.pending += got
        frames = []
        while len(self.pending) >= 4:
            length, = struct.unpack(">I", self.pending[:4])
            if len(self.pending) < 4 + length:
                break
            frames.append(self.pending[4:4 + length])
            self.pending = self.pending[4 + length:]
        return frames


def carry(kind, place, name="tap0", mtu="1500"):
    """What User Mode Linux, a virtual machine or a Go program has in it: an interface whose packets
    go over the link. Ends when the link does.
    """
    device = open_device(name, IFF_TUN if kind == "seqpacket" else IFF_TAP)
    configure(name, mtu)
    sock = reach(kind, place)
    far = (Stream if kind == "stream" else Messages)(sock)
    print("carrying", flush=True)
    while True:
        ready, _, _ = select.select([device, sock], [], [])
        if device in ready:
            far.send(os.read(device, FRAME_MAX))
        if sock in ready:
            packets = far.receive()
            if packets is None:
                return "ended"
            for packet in packets:
                os.write(device, packet)


def send_tap(sock_fd, name="tap0", offloads="", mtu="1500"):
    """Open /dev/net/tun in here, and hand it over; then stay for nothing but the ready byte."""
    device = open_device(name, IFF_TAP | (IFF_VNET_HDR if offloads else 0))
    configure(name, mtu)
    with socket.socket(fileno=int(sock_fd)) as sock:
        socket.send_fds(sock, [b"any text"], [device])
        os.close(device)
        print("sent", flush=True)
        return sock.recv(16).decode()


def send_wrong(sock_fd, what):
    """Messages that no TAP comes with."""
    with socket.socket(fileno=int(sock_fd)) as sock, open("/dev/null", "rb") as null:
        device = open_device("wrong0", IFF_TUN if what == "tun" else IFF_TAP)
        fds = {"none": [], "null": [null.fileno()], "two": [device, device],
               "unattached": [os.open("/dev/net/tun", os.O_RDWR)], "tun": [device]}[what]
        socket.send_fds(sock, [b"x"], fds)
        return sock.recv(16).decode()


def connect(kind, path):
    """Whether somebody listens there."""
    try:
        reach(kind, path).close()
    except OSError as e:
        return errno.errorcode[e.errno]
    return "connected"


PROGRAMS = [carry, send_tap, send_wrong, connect]

if __name__ == "__main__":
    program = {p.__name__: p for p in PROGRAMS}[sys.argv[1]]
    print(json.dumps(program(*sys.argv[2:])), flush=True)

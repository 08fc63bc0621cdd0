"""Small servers and clients that the tests run inside the namespaces.

    peers.py PROGRAM [ARGUMENT]...

A server prints "listening" and serves until it is killed. A client prints one JSON value
and ends. Only the standard library is used, so that any Python of the machine can run it.
The file is imported by the tests as well, for stream_digest().
"""
import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import queue
import random
import select
import signal
import socket
import socketserver
import struct
import sys
import threading

TIMEOUT_S = 20
NOISE_BYTES = 1 << 20
RECV_BYTES = 1 << 18


def stream(size):
    """The bytes that every bulk transfer carries: numbered blocks of noise."""
    noise, number = random.Random(1).randbytes(NOISE_BYTES), 0
    while size > 0:
        piece = (struct.pack(">Q", number) + noise)[:size]
        yield piece
        size -= len(piece)
        number += 1


@functools.lru_cache(maxsize=None)
def stream_digest(size):
    """What a reader of stream(size) must report."""
    sha = hashlib.sha256()
    for piece in stream(size):
        sha.update(piece)
    return {"bytes": size, "sha256": sha.hexdigest()}


def digest_until_eof(read):
    sha, size = hashlib.sha256(), 0
    while piece := read(RECV_BYTES):
        sha.update(piece)
        size += len(piece)
    return {"bytes": size, "sha256": sha.hexdigest()}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def reset(sock):
    """Close with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(sock.detach())


# --- the TCP server: the first line of a connection says what it is for ---


class TcpHandler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def answer(self, value):
        self.wfile.write(json.dumps(value).encode() + b"\n")

    def handle(self):
        word, *rest = self.rfile.readline().split() or [b"nothing"]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, "do_" + word.decode())(*map(int, rest))

    def do_nothing(self):
        """A connection that was closed before it said anything."""

    def do_sink(self):
        """Read to the end of the client's half, then answer on the other half."""
        self.answer(digest_until_eof(self.rfile.read1))

    def do_source(self, size):
        for piece in stream(size):
            self.request.sendall(piece)

    def do_echo(self):
        while piece := self.rfile.read1(RECV_BYTES):
            self.request.sendall(piece)

    def do_peer(self):
        self.answer(self.client_address[0])

    def do_late(self, size):
        """Send only after the client's half is closed."""
        self.rfile.read()
        self.do_source(size)

    def do_first(self, size):
        """Close our half first, and note what still arrives on the other."""
        self.do_source(size)
        self.request.shutdown(socket.SHUT_WR)
        self.server.notes.put(digest_until_eof(self.rfile.read1))

    def do_reset(self):
        reset(self.request)

    def do_watch(self):
        """Say that we watch, and note how the client ends the connection."""
        self.answer("watching")
        try:
            self.rfile.read()
            self.server.notes.put("eof")
        except ConnectionResetError:
            self.server.notes.put("reset")

    def do_leave_note(self):
        self.server.notes.put("left")

    def do_note(self):
        """The oldest note that nobody has fetched; waits for one."""
        self.answer(self.server.notes.get(timeout=TIMEOUT_S))


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, port):
        self.address_family = family(address)
        self.notes = queue.Queue()
        super().__init__((address, port), TcpHandler)

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def tcp_server(address, port):
    with TcpServer(address, int(port)) as server:
        print("listening", flush=True)
        server.serve_forever()


def udp_server(address, port):
    """Echo; "peer" is answered with the sender's address, "port" with its port, "log" with all that
    came before."""
    log = []
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, int(port)))
        print("listening", flush=True)
        while True:
            data, sender = sock.recvfrom(65536)
            if data == b"peer":
                sock.sendto(json.dumps(sender[0]).encode(), sender)
            elif data == b"port":
                sock.sendto(json.dumps(sender[1]).encode(), sender)
            elif data == b"log":
                sock.sendto(json.dumps(log).encode(), sender)
            else:
                log.append(data[:40].decode(errors="replace"))
                sock.sendto(data, sender)


# --- the TCP clients ---


def open_tcp(address, port, line):
    sock = socket.create_connection((address, int(port)), timeout=TIMEOUT_S)
    sock.sendall(line.encode() + b"\n")
    return sock


def read_line(sock):
    return json.loads(sock.makefile("rb").readline())


def upload(address, port, size):
    with open_tcp(address, port, "sink") as sock:
        for piece in stream(int(size)):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        return read_line(sock)


def download(address, port, size):
    with open_tcp(address, port, f"source {size}") as sock:
        return digest_until_eof(sock.recv)


def duplex(address, port, size):
    """Send and receive at the same time, through the echo service."""
    with open_tcp(address, port, "echo") as sock:
        def send():
            for piece in stream(int(size)):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        return digest_until_eof(sock.recv)


def ask(address, port, *words):
    with open_tcp(address, port, " ".join(words)) as sock:
        return read_line(sock)


def late(address, port, size):
    with open_tcp(address, port, f"late {size}") as sock:
        sock.shutdown(socket.SHUT_WR)
        return digest_until_eof(sock.recv)


def first(address, port, size):
    """The server closes its half first; we keep sending. Both digests."""
    with open_tcp(address, port, f"first {size}") as sock:
        received = digest_until_eof(sock.recv)
        for piece in stream(int(size)):
            sock.sendall(piece)
    return [received, ask(address, port, "note")]


def connect(address, port, timeout_s=TIMEOUT_S):
    """Try to connect; the name of the error, or "connected".

    In one blocking call: poll(2) may wake for a connect that has failed before SO_ERROR says so
    (Linux 6.18 on two busy cores: three times in a million), which looks like success.
    """
    seconds, rest = divmod(float(timeout_s), 1)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                        struct.pack("ll", int(seconds), int(rest * 1e6)))
        error = sock.connect_ex((address, int(port)))
    if error == errno.EINPROGRESS:
        return "timeout"
    return errno.errorcode[error] if error else "connected"


def reset_on_signal(address, port):
    """Connect, and reset the connection on SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sock = socket.create_connection((address, int(port)), timeout=TIMEOUT_S)
    signal.sigwait({signal.SIGTERM})
    reset(sock)


def ended(address, port, line):
    """How a connection ends that says this line: "eof", "data", or the name of the error."""
    try:
        with open_tcp(address, port, line) as sock:
            return "data" if sock.recv(1) else "eof"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def pour(address, port):
    """Send without end; how it ended."""
    try:
        with open_tcp(address, port, "sink") as sock:
            print("begun", flush=True)
            while True:
                sock.sendall(bytes(RECV_BYTES))
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def drain(address, port):
    """Receive without end; how it ended."""
    try:
        with open_tcp(address, port, f"source {1 << 40}") as sock:
            sock.recv(1)
            print("begun", flush=True)
            while sock.recv(RECV_BYTES):
                pass
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    return "eof"


def ask_from_same_port(address, port, *sources):
    """From each of these addresses and one port of theirs, all open at once; what each was told."""
    socks = []
    for source in sources:
        sock = socket.socket(family(address), socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT_S)
        sock.bind((source, socks[0].getsockname()[1] if socks else 0))
        sock.connect((address, int(port)))
        socks.append(sock)
    for sock in socks:
        sock.sendall(b"peer\n")
    return [read_line(sock) for sock in socks]


def end_by(address, port, how):
    """End a connection by RST or FIN; what the server saw."""
    with open_tcp(address, port, "watch") as sock:
        read_line(sock)
        if how == "reset":
            reset(sock)
    return ask(address, port, "note")


async def echo_at_once(address, port, count):
    """Hold many connections open at the same time, then use each of them."""
    import asyncio      # costs more than the rest of this program to load
    connected, waiting, everybody = set(), count, asyncio.Event()

    async def one(number):
        nonlocal waiting
        reader, writer = await asyncio.open_connection(address, port)
        waiting -= 1
        if waiting == 0:
            print("connected", flush=True)
            everybody.set()
        await everybody.wait()
        payload = stream_digest(number + 1)["sha256"].encode() * 16
        writer.write(b"echo\n" + payload)
        writer.write_eof()
        if await reader.read() == payload:
            connected.add(number)
        writer.close()

    await asyncio.wait_for(asyncio.gather(*map(one, range(count))), 3 * TIMEOUT_S)
    return len(connected)


def many(address, port, count):
    import asyncio
    return asyncio.run(echo_at_once(address, int(port), int(count)))


def hold(address, port, count, enough):
    """Begin many connections, say "holding" when enough are open, and keep them until killed."""
    socks = [socket.socket(family(address), socket.SOCK_STREAM) for _ in range(int(count))]
    poll = select.poll()
    for sock in socks:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((address, int(port)))
        poll.register(sock, select.POLLOUT)
    connected = 0
    while connected < int(enough):
        for fd, event in poll.poll(TIMEOUT_S * 1000):
            poll.unregister(fd)
            connected += event == select.POLLOUT
    print("holding", flush=True)
    signal.pause()


# --- the UDP clients ---


def udp_exchange(address, port, payload, timeout_s=TIMEOUT_S, own_port=0):
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.bind(("", int(own_port)))
        sock.settimeout(float(timeout_s))
        sock.connect((address, int(port)))
        sock.send(payload)
        return sock.recv(65536)


def udp_echo(address, port, *sizes):
    """The sizes that came back byte for byte."""
    payload = next(stream(1 << 16))
    return [n for n in map(int, sizes)
            if udp_exchange(address, port, payload[:n]) == payload[:n]]


def udp_many(address, port, count):
    """Send from many sockets before the first answer is read; how many answers were right."""
    socks = [socket.socket(family(address), socket.SOCK_DGRAM) for _ in range(int(count))]
    for number, sock in enumerate(socks):
        sock.settimeout(TIMEOUT_S)
        sock.connect((address, int(port)))
        sock.send(b"from %d" % number)
    return sum(sock.recv(64) == b"from %d" % number for number, sock in enumerate(socks))


def udp_ask(address, port, word, own_port=0):
    return json.loads(udp_exchange(address, port, word.encode(), own_port=own_port))


def udp_send(address, port, text, timeout_s):
    """Send one datagram; "echoed", "timeout", or the name of the error."""
    try:
        udp_exchange(address, port, text.encode(), timeout_s)
    except socket.timeout:
        return "timeout"
    except OSError as e:
        return errno.errorcode[e.errno]
    return "echoed"


# --- below IP ---


def make_tap(name, socket_fd):
    """Make a tap here, and hand its descriptor to whoever holds the other end."""
    iff_tap, iff_no_pi, tunsetiff = 2, 0x1000, 0x400454ca
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, tunsetiff, struct.pack("16sH22x", name.encode(), iff_tap | iff_no_pi))
    with socket.socket(fileno=int(socket_fd)) as sock:
        socket.send_fds(sock, [b"tap"], [tap])
    return "sent"


def send_frames(interface):
    """Send raw Ethernet frames (a JSON list of hex strings on stdin); how many were taken."""
    taken = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        for frame in json.load(sys.stdin):
            with contextlib.suppress(OSError):
                sock.send(bytes.fromhex(frame))
                taken += 1
    return taken


PROGRAMS = [tcp_server, udp_server, upload, download, duplex, ask, ask_from_same_port, late, first,
            connect, reset_on_signal, ended, pour, drain, end_by, many, hold, udp_echo, udp_many, udp_ask, udp_send, make_tap, send_frames]


def main(name, *arguments):
    program = {p.__name__: p for p in PROGRAMS}[name]
    print(json.dumps(program(*arguments)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

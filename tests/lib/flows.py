"""TCP programs beside those of peers.py: many flows, slow peers, hard ends.

    flows.py PROGRAM [ARGUMENT]...

The conventions are those of peers.py, which lies in the same folder wherever this is run.
"""
import concurrent.futures
import contextlib
import errno
import hashlib
import resource
import select
import signal
import socket
import sys
import threading
import time

import peers

PATIENCE_S = 240                # a flow may wait this long where frames get lost
WAVE = 256                      # connections that are begun together
SIP_BYTES = 1024
SMALL_BUFFER = 4096
CHURN_MESSAGE = b"there and back"
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def want_descriptors(count=1 << 16):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, hard), max(count, hard)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- servers ---


class FlowHandler(peers.TcpHandler):
    def do_deaf(self):
        """Never read again: what comes stays in the kernel."""
        self.answer("deaf")
        threading.Event().wait()

    def do_sip(self):
        """Read a little at a time; the socket's buffer is small as well.

        From the file, which may hold bytes already that came with the command.
        """
        sha, size = hashlib.sha256(), 0
        while piece := self.rfile.read1(SIP_BYTES):
            sha.update(piece)
            size += len(piece)
        self.answer({"bytes": size, "sha256": sha.hexdigest()})

    def do_sink_when_told(self):
        """Read nothing before somebody has left a note."""
        self.server.notes.get(timeout=peers.TIMEOUT_S)
        self.do_sink()

    def do_urgent(self):
        """Send three bytes, the one in the middle as urgent."""
        self.request.sendall(b"a")
        self.request.send(b"b", socket.MSG_OOB)
        self.request.sendall(b"c")


def flow_server(address, port, receive_buffer=0):
    """The TCP server of peers.py with the words of FlowHandler."""
    with peers.TcpServer(address, int(port)) as server:
        server.RequestHandlerClass = FlowHandler
        if int(receive_buffer):
            server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(receive_buffer))
        print("listening", flush=True)
        server.serve_forever()


def serve_many(address, port, answer):
    """One process, any number of connections. @answer(data) gives bytes, and whether to close."""
    want_descriptors()
    listener = socket.create_server((address, int(port)), family=peers.family(address),
                                    backlog=4096)
    listener.setblocking(False)
    poll, socks = select.epoll(), {}
    poll.register(listener, select.EPOLLIN)
    print("listening", flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sock = listener.accept()[0]
                        socks[sock.fileno()] = sock
                        poll.register(sock, select.EPOLLIN)
                continue
            data, close = b"", True
            with contextlib.suppress(ConnectionError):
                data, close = answer(socks[fd].recv(65536))
                socks[fd].sendall(data)
            if close:
                socks.pop(fd).close()


def echo_server(address, port):
    """Echo of short messages; it closes first where the message begins with "close"."""
    serve_many(address, port, lambda data: (data, not data or data.startswith(b"close")))


def http_server(address, port):
    """One answer to each request, which fits one segment; the connection is kept."""
    serve_many(address, port, lambda data: (HTTP_ANSWER * data.count(b"\r\n\r\n"), not data))


# --- clients ---


def bulk(address, port, way, flows, size):
    """Transfers at the same time; the answers that differ from each other."""
    peers.TIMEOUT_S = PATIENCE_S
    transfer = {"up": peers.upload, "down": peers.download}[way]
    with concurrent.futures.ThreadPoolExecutor(int(flows)) as pool:
        answers = list(pool.map(lambda _: transfer(address, port, int(size)), range(int(flows))))
    return [a for n, a in enumerate(answers) if a not in answers[:n]]


def greedy(address, port, size):
    """Through the echo service: read only when nothing more can be written."""
    sha, received = hashlib.sha256(), 0

    def read():
        nonlocal received
        piece = sock.recv(peers.RECV_BYTES)
        sha.update(piece)
        received += len(piece)
        return piece

    with peers.open_tcp(address, port, "echo") as sock:
        sock.settimeout(0)
        for piece in peers.stream(int(size)):
            rest = memoryview(piece)
            while rest:
                try:
                    rest = rest[sock.send(rest):]
                except BlockingIOError:
                    readable, _, _ = select.select([sock], [sock], [], peers.TIMEOUT_S)
                    if readable and not read():
                        raise EOFError("the echo ended early") from None
        sock.settimeout(peers.TIMEOUT_S)
        sock.shutdown(socket.SHUT_WR)
        while read():
            pass
    return {"bytes": received, "sha256": sha.hexdigest()}


def connect_wave(address, port, count):
    socks, poll = [], select.poll()
    for _ in range(count):
        sock = socket.socket(peers.family(address), socket.SOCK_STREAM)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((address, int(port)))
        poll.register(sock, select.POLLOUT)
        socks.append(sock)
    waiting = count
    while waiting:
        events = poll.poll(peers.TIMEOUT_S * 1000)
        if not events:
            raise TimeoutError(f"{waiting} of {count} do not connect")
        for fd, event in events:
            if event != select.POLLOUT:
                raise ConnectionError(f"poll says {event:#x}")
            poll.unregister(fd)
            waiting -= 1
    return socks


def idle(address, port, count):
    """Open many connections, and keep them until killed."""
    want_descriptors()
    socks = []
    while len(socks) < int(count):
        socks += connect_wave(address, port, min(WAVE, int(count) - len(socks)))
    print("holding", flush=True)
    signal.pause()


def churn(address, port, count, how):
    """One connection after the other, a message there and back on each; how many were right."""
    message = b"close" if how == "server" else CHURN_MESSAGE
    right = 0
    for _ in range(int(count)):
        with socket.create_connection((address, int(port)), timeout=peers.TIMEOUT_S) as sock:
            sock.sendall(message)
            right += sock.recv(64) == message
            if how == "server":
                sock.recv(1)
            if how == "reset":
                peers.reset(sock)
    return right


def slow_read(address, port, least, seconds):
    """Read a little, ask somebody else, read a little; all that came."""
    sha, size = hashlib.sha256(), 0
    end = time.monotonic() + float(seconds)
    with socket.socket(peers.family(address), socket.SOCK_STREAM) as sock, \
            peers.open_tcp(address, port, "echo") as other:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.settimeout(peers.TIMEOUT_S)
        sock.connect((address, int(port)))
        sock.sendall(b"source %d\n" % (1 << 40))
        while size < int(least) or time.monotonic() < end:
            piece = sock.recv(SIP_BYTES)
            sha.update(piece)
            size += len(piece)
            other.sendall(b".")
            other.recv(1)
        peers.reset(sock)
    return {"bytes": size, "sha256": sha.hexdigest()}


def slow_write(address, port, least, seconds):
    """A byte there, the same byte back; how many bytes were wrong, and whether enough went."""
    wrong = size = 0
    end = time.monotonic() + float(seconds)
    with peers.open_tcp(address, port, "echo") as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while size < int(least) or time.monotonic() < end:
            byte = b"%c" % (size & 0xff)
            sock.sendall(byte)
            wrong += sock.recv(1) != byte
            size += 1
    return [wrong, size >= int(least)]


def send_to(address, port, word, size):
    """A bulk transfer to the service of that name; its answer."""
    with peers.open_tcp(address, port, word) as sock:
        for piece in peers.stream(int(size)):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        return peers.read_line(sock)


def read_when_told(address, port, size):
    """Ask for a stream, and read nothing before a signal comes."""
    with peers.open_tcp(address, port, f"source {size}") as sock:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        print("ready", flush=True)
        signal.sigwait({signal.SIGUSR1})
        return peers.digest_until_eof(sock.recv)


def await_end(address, port, unread):
    """Leave bytes unread in a deaf server, say "ready"; then how the connection ends: "eof", or the
    name of the error.
    """
    sock = peers.open_tcp(address, port, "deaf")
    try:
        sock.recv(64)
        sock.sendall(bytes(int(unread)))
        print("ready", flush=True)
        sock.settimeout(PATIENCE_S)
        while sock.recv(65536):
            pass
        return "eof"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def write_until_end(address, port):
    """Write for ever; the name of the error that ends it."""
    with peers.open_tcp(address, port, "sink") as sock:
        print("ready", flush=True)
        try:
            for piece in peers.stream(1 << 50):
                sock.sendall(piece)
        except OSError as e:
            return errno.errorcode.get(e.errno, str(e))


def be_killed(address, port, unread=0):
    """Open a connection that the server watches, and keep it until killed. What the server has said
    is there by then, and has been read or not: the kernel ends the connection by that.
    """
    sock = peers.open_tcp(address, port, "watch")
    if int(unread):
        sock.recv(1, socket.MSG_PEEK)
    else:
        peers.read_line(sock)
    print("ready", flush=True)
    signal.pause()


def send_urgent(address, port):
    """A byte, an urgent one, and a byte, through the echo service."""
    with peers.open_tcp(address, port, "echo") as sock:
        sock.sendall(b"a")
        sock.send(b"b", socket.MSG_OOB)
        sock.sendall(b"c")
        sock.shutdown(socket.SHUT_WR)
        return sock.makefile("rb").read().decode()


def read_urgent(address, port):
    with socket.create_connection((address, int(port)), timeout=peers.TIMEOUT_S) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        sock.sendall(b"urgent\n")
        return sock.makefile("rb").read().decode()


def keep_alive(address, port):
    """An idle connection that is probed each second; after a signal, whether it still echoes."""
    with peers.open_tcp(address, port, "echo") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT:
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        print("ready", flush=True)
        signal.sigwait({signal.SIGUSR1})
        sock.sendall(b"alive")
        return sock.recv(64).decode()


PROGRAMS = [flow_server, echo_server, http_server, bulk, greedy, idle, churn, slow_read, slow_write,
            send_to, read_when_told, await_end, write_until_end, be_killed, send_urgent,
            read_urgent, keep_alive]


if __name__ == "__main__":
    peers.PROGRAMS += PROGRAMS
    peers.main(*sys.argv[1:])

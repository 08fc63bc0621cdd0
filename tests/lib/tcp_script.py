"""One end of a TCP connection that follows a script and says what it saw.

    tcp_script.py serve FILE ADDRESS...     accept on every port of the JSON file {port: script}
    tcp_script.py run FILE                  run every connection of {name: {address, port, script}}
    tcp_script.py control ADDRESS WORD PORT

A script is steps with "; " between them. What is seen is one string for a script, so that two of
them compare and read easily: the word of each step with its outcome. Sockets block, as those
of a plain program do; where a step needs something of the other side to have happened, it waits
for that event, so that what is seen does not depend on which side is faster.

The server answers on the control port: "seen PORT" gives what the oldest connection of that port
saw that nobody has asked for, "waiting PORT" answers when its script has come to "await", and
"go PORT" lets it go on. A client that awaits goes on at SIGUSR1.
"""
import errno
import fcntl
import hashlib
import json
import os
import queue
import select
import signal
import socket
import struct
import sys
import termios
import threading

TIMEOUT_S = 20
CONTROL_PORT = 7099
EVENTS = {name: getattr(select, "POLL" + name) for name in ("IN", "OUT", "RDHUP", "HUP", "ERR")}
FAILED = 0          # poll(2) tells HUP and ERR without being asked


def pattern(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Barrier:
    """Where a script waits until it is let go."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def wait(self):
        self.reached.set()
        assert self.opened.wait(TIMEOUT_S)


class End:
    """One end. A step is a method; what it returns is what was seen."""

    def __init__(self, sock, target=None, barrier=None):
        self.sock, self.target, self.barrier = sock, target, barrier
        limit = struct.pack("ll", TIMEOUT_S, 0)
        for option in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
            sock.setsockopt(socket.SOL_SOCKET, option, limit)

    def follow(self, script):
        seen = []
        for step in filter(None, script.split("; ")):
            word, *arguments = step.split()
            try:
                outcome = getattr(self, "do_" + word)(*arguments)
            except OSError as e:
                outcome = errno.errorcode[e.errno]
            seen.append(word if outcome is None else f"{word}={outcome}")
        return " ".join(seen)

    def poll(self, events, timeout_s=TIMEOUT_S):
        poll = select.poll()
        poll.register(self.sock, events)
        return poll.poll(timeout_s * 1000)

    def when(self, events):
        """Wait for one of these events; everything that is true then."""
        if not self.poll(events):
            return "timeout"
        (_, now), = self.poll(sum(EVENTS.values()), 0)
        return "|".join(name for name, bit in EVENTS.items() if now & bit)

    def pending_error(self):
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode[number] if number else "none"

    def receive(self, limit):
        """Up to limit bytes, or to the end: how many, a digest, and what the end was."""
        sha, size, end = hashlib.sha256(), 0, ""
        while size < limit and not end:
            try:
                piece = self.sock.recv(min(limit - size, 1 << 16))
            except OSError as e:
                end, piece = f"/{errno.errorcode[e.errno]}", b""
            else:
                end = "" if piece else "/EOF"
            sha.update(piece)
            size += len(piece)
        good = sha.digest() == hashlib.sha256(pattern(size)).digest()
        return f"{size if good else 'wrong'}{end}"

    def do_connect(self):
        self.sock.connect(self.target)

    def do_begin(self):
        """Connect without blocking: how it ends, at once or later."""
        self.sock.setblocking(False)
        error = self.sock.connect_ex(self.target)
        if error == errno.EINPROGRESS:
            events = self.when(select.POLLOUT)
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.sock.setblocking(True)
        return errno.errorcode[error] if error else events

    def do_send(self, size):
        self.sock.sendall(pattern(int(size)), socket.MSG_NOSIGNAL)

    def do_urgent(self):
        """"0123" of the pattern, the "2" of it urgent."""
        for piece, flag in (b"01", 0), (b"2", socket.MSG_OOB), (b"3", 0):
            self.sock.sendall(piece, flag)

    def do_recv(self, size):
        return self.receive(int(size))

    def do_drain(self):
        return self.receive(1 << 40)

    def do_shut(self):
        self.sock.shutdown(socket.SHUT_WR)

    def do_close(self):
        self.sock.close()

    def do_reset(self):
        """Close with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def do_keep(self):
        """Stay open after the script, for as long as the process lives."""
        self.sock.detach()

    def do_readable(self):
        return self.when(select.POLLIN)

    def do_finished(self):
        return self.when(select.POLLRDHUP)

    def do_failed(self):
        return self.when(FAILED)

    def do_error(self):
        return self.pending_error()

    def do_inline(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

    def do_keepalive(self):
        """Find out within two seconds that the other side is gone."""
        for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT:
            self.sock.setsockopt(socket.IPPROTO_TCP, option, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def do_acknowledged(self):
        """Wait until the other side's kernel has everything."""
        while fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)) != bytes(4):
            select.select([], [], [], 0.01)

    def do_await(self):
        self.barrier.wait()

    def do_say(self, word):
        print(word, flush=True)


# --- the server ---


class Server:
    def __init__(self, scripts):
        self.scripts = scripts
        self.seen = {port: queue.Queue() for port in scripts}
        self.barriers = {port: Barrier() for port in scripts}

    def listen(self, address, port, serve):
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(kind, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, int(port)))
        sock.listen(64)

        def accept():
            while True:
                threading.Thread(target=serve, args=(sock.accept()[0], port), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()

    def follow(self, sock, port):
        with sock:
            saw = End(sock, barrier=self.barriers[port]).follow(self.scripts[port])
        self.seen[port].put(saw)

    def answer(self, word, port):
        if word == "seen":
            return self.seen[port].get()
        if word == "waiting":
            self.barriers[port].reached.wait()
        else:
            self.barriers[port].opened.set()
        return word

    def control(self, sock, _):
        with sock, sock.makefile("rw") as stream:
            stream.write(self.answer(*stream.readline().split()) + "\n")

    def serve(self, addresses):
        for address in addresses:
            self.listen(address, CONTROL_PORT, self.control)
            for port in self.scripts:
                self.listen(address, port, self.follow)
        print("listening", flush=True)
        threading.Event().wait()


def control(address, word, port):
    with socket.create_connection((address, CONTROL_PORT), TIMEOUT_S * 2) as sock:
        sock.sendall(f"{word} {port}\n".encode())
        return sock.makefile("r").readline().strip()


# --- the client ---


def run_one(connection, barrier):
    """What the client saw, and what the server of its port did where it has one."""
    address, port = connection["address"], connection["port"]
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as sock:
        client = End(sock, (address, port), barrier).follow(connection["script"])
    if not connection.get("served"):
        return {"client": client}
    return {"client": client, "server": control(address, "seen", port)}


def run(connections):
    """All of them at the same time."""
    seen, barrier = {}, Barrier()
    signal.signal(signal.SIGUSR1, lambda *_: barrier.opened.set())

    def one(name, connection):
        seen[name] = run_one(connection, barrier)
    threads = [threading.Thread(target=one, args=item) for item in connections.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(verb, *arguments):
    if verb == "serve":
        Server(read(arguments[0])).serve(arguments[1:])
    print(json.dumps(run(read(*arguments)) if verb == "run" else control(*arguments)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Programs at the two ends of a published port: who is seen, by whom, and very many at once.

    port_peers.py PROGRAM [ARGUMENT]...

The conventions are those of peers.py, which lies in the same folder wherever this is run.
"""
import contextlib
import json
import select
import signal
import socket
import sys
import time

import flows
import peers
import udp_peers

SERVER_WORD = b"close"      # an echo server of flows.py answers it and then ends the connection
LIVE = b"still there?"


# --- who is seen ---


class EndpointHandler(peers.TcpHandler):
    def do_endpoint(self):
        self.answer(self.client_address[:2])


def server(address, port):
    """The TCP server of peers.py that also knows its client's port."""
    with peers.TcpServer(address, int(port)) as tcp:
        tcp.RequestHandlerClass = EndpointHandler
        print("listening", flush=True)
        tcp.serve_forever()


def ask_tcp(sock, address, port):
    sock.connect((address, int(port)))
    sock.sendall(b"endpoint\n")
    return peers.read_line(sock), sock.getpeername()


def ask_udp(sock, address, port):
    """With sendto(2), so that an answer from anybody is taken, and seen to be from somebody else."""
    sock.sendto(udp_peers.QUESTION, (address, int(port)))
    data, sender = sock.recvfrom(1 << 16)
    return json.loads(data)["peer"], sender


def bound(proto, address, source="", port=0):
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[proto]
    sock = socket.socket(peers.family(address), kind)
    sock.settimeout(peers.TIMEOUT_S)
    if source:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((source, int(port)))
    return sock


def endpoint(proto, address, port):
    """Three endpoints: my own port, what the server sees, and who has answered."""
    with bound(proto, address) as sock:
        seen, answered = {"tcp": ask_tcp, "udp": ask_udp}[proto](sock, address, port)
        return {"port": sock.getsockname()[1], "seen": seen, "from": list(answered[:2])}


def connected_echo(address, port):
    """A connected UDP socket takes answers from one endpoint only; is there one?"""
    with udp_peers.connected(address, port) as sock:
        sock.send(b"x")
        return sock.recv(1 << 16).decode()


def same_port(proto, address, port, *sources):
    """From each of these addresses and one port of theirs, all in use at once: as whom the server
    sees each, twice. UDP asks all of them before it reads the first answer.
    """
    socks = []
    for source in sources:
        number = socks[0].getsockname()[1] if socks else 0
        socks.append(bound(proto, address, source, number))
        socks[-1].connect((address, int(port)))
    return [ask_all(proto, socks) for _ in range(2 if proto == "udp" else 1)]


def ask_all(proto, socks):
    for sock in socks:
        sock.sendall(udp_peers.QUESTION if proto == "udp" else b"endpoint\n")
    if proto == "udp":
        return [json.loads(sock.recv(1 << 16))["peer"] for sock in socks]
    return [peers.read_line(sock) for sock in socks]


# --- a client whose endpoint the guest is talking to already ---


def live_tcp_guest(address, port, own_port):
    """Connect from this port, then listen on it for somebody else. As whom the client was seen, and
    whether the first connection still echoes.
    """
    flow = bound("tcp", address, "0.0.0.0", own_port)
    flow.connect((address, int(port)))
    with bound("tcp", address, "0.0.0.0", own_port) as listener:
        listener.listen()
        print("listening", flush=True)
        listener.settimeout(peers.TIMEOUT_S)
        client, seen = listener.accept()
    with client, flow:
        client.sendall(json.dumps(seen).encode() + b"\n")
        flow.sendall(LIVE)
        return [seen, flow.recv(64) == LIVE]


def live_tcp_outside(address, port, target, target_port):
    """Take one connection; at a signal call somebody from the same endpoint; as whom it was seen."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with bound("tcp", address, address, port) as listener:
        listener.listen()
        print("listening", flush=True)
        listener.settimeout(peers.TIMEOUT_S)
        flow, _ = listener.accept()
    signal.sigwait({signal.SIGUSR1})
    with flow, bound("tcp", address, address, port) as sock:
        sock.connect((target, int(target_port)))
        seen = peers.read_line(sock)
        flow.settimeout(peers.TIMEOUT_S)
        flow.sendall(flow.recv(64))
        return seen


def live_udp_guest(address, port, own_port):
    """Talk to somebody from this port, and answer whoever talks to it, until that is "end"."""
    with udp_peers.udp_socket(address, None) as sock:
        sock.bind(("0.0.0.0", int(own_port)))
        sock.sendto(b"hello", (address, int(port)))
        sock.recvfrom(1 << 16)
        print("listening", flush=True)
        seen = []
        while True:
            data, sender = sock.recvfrom(1 << 16)
            if data == b"end":
                return seen
            seen.append([data.decode(), list(sender)])
            sock.sendto(data, sender)


def live_udp_outside(address, port, target, target_port):
    """Be greeted by somebody; at a signal ask a published port, then the greeter, and again. Who
    answered each time: the greeter is "greeter".
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with udp_peers.udp_socket(address, port) as sock:
        print("listening", flush=True)
        _, greeter = sock.recvfrom(1 << 16)
        sock.sendto(b"welcome", greeter)
        signal.sigwait({signal.SIGUSR1})
        heard = []
        published = (target, int(target_port))
        for number, to in enumerate((published, greeter, published, greeter)):
            sock.sendto(b"%d" % number, to)
            data, sender = sock.recvfrom(1 << 16)
            heard.append([data.decode(), "greeter" if sender == greeter else list(sender)])
        sock.sendto(b"end", greeter)
        return heard


# --- very many ---


class Burst:
    """Clients that connect, send a line, and want it back; a limited number of them at once."""

    def __init__(self, address, port, at_once):
        self.to = (address, int(port))
        self.at_once = int(at_once)
        self.poll = select.epoll()
        self.socks = {}
        self.right = 0
        self.wrong = []

    def begin(self):
        sock = socket.socket(peers.family(self.to[0]), socket.SOCK_STREAM)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(self.to)
        self.socks[sock.fileno()] = sock
        self.poll.register(sock, select.EPOLLOUT)

    def serve(self, timeout_s):
        events = self.poll.poll(timeout_s)
        for fd, event in events:
            try:
                self.step(self.socks[fd], event)
            except OSError as e:
                self.wrong.append(str(e))
                self.socks.pop(fd).close()
        return events

    def step(self, sock, event):
        if event & select.EPOLLOUT:
            sock.send(SERVER_WORD)      # fails with what connect(2) has failed with
            self.poll.modify(sock, select.EPOLLIN)
            return
        if sock.recv(64) == SERVER_WORD:
            self.right += 1
        else:
            self.wrong.append("not what was sent")
        self.socks.pop(sock.fileno()).close()

    def answer(self):
        return [self.right, sorted(set(self.wrong))]


def burst(address, port, count, at_once):
    """So many clients; how many were served, and the errors of the others."""
    flows.want_descriptors()
    run, left = Burst(address, port, at_once), int(count)
    while left or run.socks:
        while left and len(run.socks) < run.at_once:
            run.begin()
            left -= 1
        if not run.serve(peers.TIMEOUT_S):
            raise TimeoutError(f"{len(run.socks)} clients wait")
    return run.answer()


def steady(address, port, rate, seconds):
    """So many new clients in each second (or as many as the machine can); the answer of burst()."""
    flows.want_descriptors()
    run, begun = Burst(address, port, rate), 0
    start = time.monotonic()
    while begun < int(rate) * int(seconds) or run.socks:
        due = min(int(rate) * int(seconds), int(int(rate) * (time.monotonic() - start)))
        while begun < due and len(run.socks) < run.at_once:
            run.begin()
            begun += 1
        run.serve(1 / int(rate))
        if time.monotonic() - start > int(seconds) * 10 + peers.TIMEOUT_S:
            raise TimeoutError(f"{begun} begun, {len(run.socks)} clients wait")
    return run.answer()


PROGRAMS = [server, endpoint, connected_echo, same_port, live_tcp_guest, live_tcp_outside,
            live_udp_guest, live_udp_outside, burst, steady]


if __name__ == "__main__":
    peers.PROGRAMS += PROGRAMS
    peers.main(*sys.argv[1:])

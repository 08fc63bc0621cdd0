"""UDP programs beside those of peers.py: sizes, marks, errors, many sockets, floods.

    udp_peers.py PROGRAM [ARGUMENT]...

The conventions are those of peers.py, which lies in the same folder wherever this is run.
"""
import contextlib
import errno
import json
import random
import resource
import select
import signal
import socket
import struct
import sys

import peers

IP_RECVTTL, IP_RECVTOS = 12, 13                 # what the socket module has no names for
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU, IP_RECVERR = 10, 2, 14, 11
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR = 23, 24, 25
UDP_SEGMENT = 103
ORIGINS = {1: "local", 2: "icmp", 3: "icmp6"}   # ee_origin of linux/errqueue.h
BUFFER_BYTES = 8 << 20
WINDOW = 32                                     # datagrams under way together
FLOOD_BYTES = 1200
PATIENCE_S, IMPATIENCE_S = 1, 0.1               # before a datagram is taken for lost
QUESTION = json.dumps({"ttl": 64, "tos": 0}).encode()


def options(version):
    """Level and options of one family: TTL, TOS, to be told of both, of errors; PMTU."""
    if version == socket.AF_INET6:
        return (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, socket.IPV6_TCLASS,
                socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS, IPV6_RECVERR,
                IPV6_MTU_DISCOVER, IPV6_MTU)
    return (socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TOS, IP_RECVTTL, IP_RECVTOS, IP_RECVERR,
            IP_MTU_DISCOVER, IP_MTU)


def udp_socket(address, port=None):
    """A socket of the address's family, bound if there is a port."""
    sock = socket.socket(peers.family(address), socket.SOCK_DGRAM)
    sock.settimeout(peers.TIMEOUT_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if port is not None:
        sock.bind((address, int(port)))
    return sock


def connected(address, port):
    sock = udp_socket(address)
    sock.connect((address, int(port)))
    return sock


# --- servers ---


def want_marks(sock):
    level, _, _, receive_ttl, receive_tos, *_ = options(sock.family)
    sock.setsockopt(level, receive_ttl, 1)
    sock.setsockopt(level, receive_tos, 1)


def receive_marked(sock):
    """One datagram, its sender, and the TTL and TOS that it came with."""
    level, ttl, tos, receive_ttl, _, *_ = options(sock.family)
    hop_limit = ttl if level == socket.IPPROTO_IP else socket.IPV6_HOPLIMIT
    data, ancillary, _, sender = sock.recvmsg(1 << 16, 256)
    marks = {(where, what): int.from_bytes(value[:4], sys.byteorder)
             for where, what, value in ancillary}
    return data, sender, {"ttl": marks[level, hop_limit], "tos": marks[level, tos]}


def send_marked(sock, data, to, ttl, tos):
    level, set_ttl, set_tos, *_ = options(sock.family)
    sock.setsockopt(level, set_ttl, ttl)
    sock.setsockopt(level, set_tos, tos)
    sock.sendto(data, to)


def udp_server(address, port):
    """Echo. A JSON object {"ttl", "tos"} is answered, with those marks, by what came:
    {"peer": [address, port], "ttl", "tos"}.
    """
    with udp_socket(address, port) as sock:
        sock.settimeout(None)
        want_marks(sock)
        print("listening", flush=True)
        while True:
            with contextlib.suppress(ConnectionError):  # a client that is gone
                data, sender, marks = receive_marked(sock)
                if data.startswith(b'{"ttl"'):
                    answer = json.dumps({"peer": sender[:2], **marks}).encode()
                    send_marked(sock, answer, sender, **json.loads(data))
                else:
                    sock.sendto(data, sender)


def third_parties(address, port, stranger):
    """What comes in on one port is answered from another port, another address, and last from it."""
    here, beside, elsewhere = (udp_socket(a, int(port) + more) for a, more in
                               ((address, 0), (address, 1), (stranger, 0)))
    here.settimeout(None)
    print("listening", flush=True)
    while True:
        _, sender = here.recvfrom(1 << 16)
        for sock, name in (elsewhere, "elsewhere"), (beside, "beside"), (here, "here"):
            sock.sendto(name.encode(), sender)


def flooder(address, port):
    """Once somebody has sent a datagram, send to it without end."""
    with udp_socket(address, port) as sock:
        sock.settimeout(None)
        print("listening", flush=True)
        sock.connect(sock.recvfrom(1 << 16)[1])
        pour(sock)


def pour(sock):
    data = bytes(FLOOD_BYTES)
    while True:
        with contextlib.suppress(OSError):      # ENOBUFS, or an error that has come back
            sock.send(data)


# --- clients: one socket ---


def datagram(size):
    """Bytes that tell which size they are of, and where each belongs."""
    return random.Random(size).randbytes(size)


def echo(address, port, *sizes):
    """One datagram after the other on one socket; what was wrong: [size, what came]."""
    wrong = []
    with connected(address, port) as sock:
        for size in map(int, sizes):
            data = datagram(size)
            try:
                sock.send(data)
                got = sock.recv(1 << 16)
            except OSError as e:
                wrong.append([size, str(e)])
                break
            if got != data:
                wrong.append([size, len(got)])
    return wrong


def marked(address, port, ttl, tos, back_ttl, back_tos):
    """The marks that the server saw, and those that its answer came with."""
    with udp_socket(address) as sock:
        want_marks(sock)
        question = json.dumps({"ttl": int(back_ttl), "tos": int(back_tos)}).encode()
        send_marked(sock, question, (address, int(port)), int(ttl), int(tos))
        data, _, back = receive_marked(sock)
    there = json.loads(data)
    return [[there["ttl"], there["tos"]], [back["ttl"], back["tos"]]]


def read_error(sock):
    """The next entry of a socket's error queue, once there is one."""
    poll = select.poll()
    poll.register(sock, 0)
    if not poll.poll(peers.TIMEOUT_S * 1000):
        raise TimeoutError("no error")
    _, ancillary, _, _ = sock.recvmsg(1 << 16, 512, socket.MSG_ERRQUEUE)
    value = next(v for _, what, v in ancillary if what in (IP_RECVERR, IPV6_RECVERR))
    number, origin, kind, code, _, info, _ = struct.unpack("=IBBBBII", value[:16])
    offender = ""
    if struct.unpack_from("=H", value, 16)[0] == socket.AF_INET:
        offender = socket.inet_ntop(socket.AF_INET, value[20:24])
    elif struct.unpack_from("=H", value, 16)[0] == socket.AF_INET6:
        offender = socket.inet_ntop(socket.AF_INET6, value[24:40])
    return {"errno": errno.errorcode[number], "origin": ORIGINS.get(origin, origin), "type": kind,
            "code": code, "info": info, "offender": offender}


def want_errors(sock):
    level, *_, receive_errors, _, _ = options(sock.family)
    sock.setsockopt(level, receive_errors, 1)


def error(address, port, ttl=64, size=1):
    """What the network says to one datagram, as a program sees it in the error queue."""
    with connected(address, port) as sock:
        level, set_ttl, *_ = options(sock.family)
        want_errors(sock)
        sock.setsockopt(level, set_ttl, int(ttl))
        sock.send(datagram(int(size)))
        return read_error(sock)


def error_then_echo(address, closed_port, port):
    """To a closed port and to an open one from the same socket, one right after the other: the error
    of the first, and whether the second was echoed.
    """
    with udp_socket(address) as sock:
        want_errors(sock)
        sock.sendto(b"to both", (address, int(closed_port)))
        with contextlib.suppress(ConnectionError):      # the first one's: not sent, then
            sock.sendto(b"to both", (address, int(port)))
        told = read_error(sock)["errno"]
        sock.sendto(b"to both", (address, int(port)))
        return [told, sock.recv(64) == b"to both"]


def answer_twice(address, port):
    """Answer whoever asks; after a signal once more: what its network says to that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with udp_socket(address, port) as sock:
        want_errors(sock)
        print("listening", flush=True)
        question, sender = sock.recvfrom(1 << 16)
        sock.connect(sender)
        sock.send(question)
        signal.sigwait({signal.SIGUSR1})
        sock.send(question)
        return read_error(sock)


def refused_in_time(address, port):
    """The plain program: connected, no error queue. The name of what recv(2) fails with."""
    with connected(address, port) as sock:
        sock.send(b"x")
        try:
            sock.recv(1)
        except OSError as e:
            return errno.errorcode.get(e.errno, str(e))
    return "answered"


def discover(address, port, size):
    """Send with "don't fragment"; the error, the path MTU learned, and whether what fits is echoed."""
    with connected(address, port) as sock:
        level, *_, set_discover, get_mtu = options(sock.family)
        want_errors(sock)
        sock.setsockopt(level, set_discover, IP_PMTUDISC_DO)
        sock.send(datagram(int(size)))
        told = read_error(sock)
        mtu = sock.getsockopt(level, get_mtu)
        fits = datagram(mtu - (28 if sock.family == socket.AF_INET else 48))
        sock.send(fits)
        return {"errno": told["errno"], "mtu": mtu, "echoed": sock.recv(1 << 16) == fits}


def patient_echo(address, port, *sizes):
    """The sizes that did not come back, however often they were sent."""
    with connected(address, port) as sock:
        return [size for size in map(int, sizes) if not echoed_at_last(sock, datagram(size))]


def echoed_at_last(sock, data):
    sock.settimeout(PATIENCE_S)
    for _ in range(peers.TIMEOUT_S):
        with contextlib.suppress(OSError):      # lost, or the word of a router about it
            sock.send(data)
            if sock.recv(1 << 16) == data:
                return True
    return False


def mappings(port, *addresses):
    """From one socket to the same port of each: as [address, port] each of them sees it."""
    with udp_socket(addresses[0]) as sock:
        seen = []
        for address in addresses:
            sock.sendto(QUESTION, (address, int(port)))
            seen.append(json.loads(sock.recv(1 << 16))["peer"])
        return seen


def who_answers(address, port):
    """Send to somebody whose friends answer before itself; the names of those that were heard."""
    heard = []
    with udp_socket(address) as sock:
        sock.sendto(b"everybody", (address, int(port)))
        while "here" not in heard:
            heard.append(sock.recv(64).decode())
    return sorted(heard)


# --- clients: trains of datagrams, which kernels and gates like to join ---


def receive_all(sock, count):
    """So many datagrams, in some order: a kernel that moves to another processor overtakes itself."""
    return sorted(sock.recv(1 << 16) for _ in range(count))


def cars(items):
    """What SIZE:TOS ... stand for: [(data, tos)], no two of one size alike."""
    pairs = [map(int, item.split(":")) for item in items]
    return [(random.Random(number).randbytes(size), tos)
            for number, (size, tos) in enumerate(pairs)]


def train(address, port, *items):
    """All of them sent before the first echo is read; do the same ones come back, each one whole?"""
    sent = cars(items)
    with udp_socket(address) as sock:
        for data, tos in sent:
            send_marked(sock, data, (address, int(port)), 64, tos)
        print("sent", flush=True)
        return receive_all(sock, len(sent)) == sorted(data for data, _ in sent)


def segmented(address, port, size, length):
    """One send(2) of this length that the kernel cuts into datagrams of this size; as for train()."""
    size, data = int(size), random.Random(1).randbytes(int(length))
    sent = [data[at:at + size] for at in range(0, len(data), size)]
    with connected(address, port) as sock:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        sock.send(data)
        print("sent", flush=True)
        return receive_all(sock, len(sent)) == sorted(sent)


def train_source(address, port, *items):
    """A server: answer somebody, and after a signal send a train there."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with udp_socket(address, port) as sock:
        print("listening", flush=True)
        data, sender = sock.recvfrom(1 << 16)
        sock.sendto(data, sender)
        signal.sigwait({signal.SIGUSR1})
        for data, tos in cars(items):
            send_marked(sock, data, sender, 64, tos)


def train_sink(address, port, *items):
    """Ask a source, say so, and take its train: is each one whole, and marked as it was?"""
    with connected(address, port) as sock:
        want_marks(sock)
        sock.send(b"hello")
        sock.recv(64)
        print("ready", flush=True)
        came = [receive_marked(sock) for _ in items]
        return sorted((data, marks["tos"]) for data, _, marks in came) == sorted(cars(items))


def marked_train(address, port, *marks):
    """Datagrams of one size, all sent before the first answer is read, with a TOS each: as which
    TOS the server saw them, in ascending order.
    """
    with udp_socket(address) as sock:
        for mark in marks:
            send_marked(sock, QUESTION, (address, int(port)), 64, int(mark))
        print("sent", flush=True)
        return sorted(json.loads(sock.recv(1 << 16))["tos"] for _ in marks)


# --- clients: many sockets, much traffic ---


def want_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def ask_port(sock):
    """The port from which a server sees this socket; asked again where an answer is lost."""
    sock.settimeout(PATIENCE_S)
    for _ in range(peers.TIMEOUT_S):
        with contextlib.suppress(TimeoutError):
            sock.send(QUESTION)
            return json.loads(sock.recv(1 << 16))["peer"][1]
    raise TimeoutError("no answer")


def open_bindings(address, port, count):
    """Sockets, and the ports from which the server sees them."""
    want_descriptors()
    made = []
    while len(made) < count:
        socks = []
        for _ in range(min(WINDOW, count - len(made))):
            sock = socket.socket(peers.family(address), socket.SOCK_DGRAM)
            sock.connect((address, int(port)))
            sock.send(QUESTION)
            socks.append(sock)
        for sock in socks:
            sock.settimeout(PATIENCE_S)
            try:
                made.append((sock, json.loads(sock.recv(1 << 16))["peer"][1]))
            except TimeoutError:
                made.append((sock, ask_port(sock)))
    return made


def bindings(address, port, count):
    """Open them, say "holding", and after a signal ask again: is it still the same port that the
    newest and the oldest is seen from?
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    made = open_bindings(address, port, int(count))
    print("holding", flush=True)
    signal.sigwait({signal.SIGUSR1})
    return [ask_port(sock) == seen for sock, seen in (made[-1], made[0])]


def flood(address, port):
    """Send without end."""
    with connected(address, port) as sock:
        for _ in range(WINDOW):
            sock.send(bytes(FLOOD_BYTES))
        print("flooding", flush=True)
        pour(sock)


def be_flooded(address, port):
    """Ask a flooder, read one datagram, and never read again."""
    with connected(address, port) as sock:
        sock.send(b"flood me")
        sock.recv(1 << 16)
        print("flooding", flush=True)
        signal.pause()


def patient(address, port, count):
    """Echo one after the other, again where one gets lost; how many of the answers were wrong."""
    wrong = 0
    with connected(address, port) as sock:
        sock.settimeout(IMPATIENCE_S)
        for number in range(int(count)):
            answers = until_answered(sock, number)
            wrong += sum(a > number for a in answers) + (answers[-1] != number)
    return wrong


def until_answered(sock, number):
    """Send it until it comes back; all that came, for an earlier one may have been sent twice."""
    answers = []
    for _ in range(int(peers.TIMEOUT_S / IMPATIENCE_S)):
        sock.send(b"%d" % number)
        with contextlib.suppress(TimeoutError):
            while number not in answers:
                answers.append(int(sock.recv(1 << 16)))
            return answers
    raise TimeoutError(f"no answer to {number}")


PROGRAMS = [udp_server, third_parties, flooder, echo, train, segmented, train_source,
            train_sink, marked_train, marked, error, error_then_echo,
            answer_twice, refused_in_time, discover, patient_echo, mappings, who_answers, bindings, flood,
            be_flooded, patient]


if __name__ == "__main__":
    peers.PROGRAMS += PROGRAMS
    peers.main(*sys.argv[1:])

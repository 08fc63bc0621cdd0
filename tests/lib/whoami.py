#!/usr/bin/python3
"""A server that tells its clients which address they come from, and its client.

    whoami.py serve PORT [--dns]      answer TCP and UDP on PORT, and with --dns questions on UDP 53
    whoami.py ask tcp|udp ADDR PORT   print what the server answers
    whoami.py resolve NAME [SERVER]   print the address of NAME, from the system's resolver or SERVER

One file with nothing but the standard library: it also runs inside containers.
"""
import selectors
import signal
import socket
import struct
import sys

ANSWER = "203.0.113.7"          # the address of every name
PATIENCE_S = 10


def plain(address):
    return address[0].removeprefix("::ffff:").encode() + b"\n"


def listener(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def serve_tcp(sock):
    connection, address = sock.accept()
    with connection:
        connection.sendall(plain(address))


def serve_udp(sock):
    _, address = sock.recvfrom(2048)
    sock.sendto(plain(address), address)


def serve_dns(sock):
    question, address = sock.recvfrom(2048)
    end = question.index(b"\0", 12) + 5
    a_record = question[end - 4:end - 2] == b"\0\1"
    answer = struct.pack("!HHHIH", 0xc00c, 1, 1, 60, 4) + socket.inet_aton(ANSWER)
    header = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(a_record), 0, 0)
    sock.sendto(header + question[12:end] + (answer if a_record else b""), address)


def serve(port, *flags):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    poll = selectors.DefaultSelector()
    poll.register(listener(socket.SOCK_STREAM, int(port)), selectors.EVENT_READ, serve_tcp)
    poll.register(listener(socket.SOCK_DGRAM, int(port)), selectors.EVENT_READ, serve_udp)
    if "--dns" in flags:
        poll.register(listener(socket.SOCK_DGRAM, 53), selectors.EVENT_READ, serve_dns)
    print("serving", flush=True)
    while True:
        for key, _ in poll.select():
            key.data(key.fileobj)


def ask_udp(address, port, question):
    """The answer to a datagram, which may have to be sent again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S / 5)
        sock.connect((address, port))
        for _ in range(5):
            sock.send(question)
            try:
                return sock.recv(2048)
            except TimeoutError:
                continue
        raise TimeoutError("no answer")


def ask_tcp(address, port):
    with socket.create_connection((address, port), PATIENCE_S) as sock:
        return sock.makefile("rb").read()


def ask(proto, address, port):
    if proto == "tcp":
        answer = ask_tcp(address, int(port))
    else:
        answer = ask_udp(address, int(port), b"who am I?")
    if not answer:
        raise ConnectionError("closed without an answer")
    print(answer.decode(), end="")


def resolve(name, server=None):
    if server is None:
        print(socket.gethostbyname(name))
        return
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    print(socket.inet_ntoa(ask_udp(server, 53, question)[-4:]))


if __name__ == "__main__":
    try:
        {"serve": serve, "ask": ask, "resolve": resolve}[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")

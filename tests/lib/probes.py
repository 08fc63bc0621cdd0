"""What a test asks about the world: peers to run in it, and facts about a process."""
import contextlib
import hashlib
import json
import os
import pathlib
import select
import shutil
import sys
import time

import peers
import world as w

PORT = 7000                     # every server of peers.py; each namespace has its own
CONFINED = ("--enable-sandbox", "--enable-seccomp")


FULL = bool(os.environ.get("FULL"))     # the amounts of a whole test, which take hours


def program(world, function):
    """The file of a program at a path that the ordinary user can read, wherever the checkout is:
    beside it lie all others, for some import each other.
    """
    folder = world.tmp / "lib"
    if not folder.exists():
        shutil.copytree(pathlib.Path(__file__).parent, folder, copy_function=shutil.copyfile,
                        ignore=shutil.ignore_patterns("__pycache__"))
        folder.chmod(0o755)
    name = pathlib.Path(sys.modules[function.__module__].__file__).name
    return [sys.executable, folder / name, function.__name__]


def peer(world, ns, client, *arguments, **kw):
    """Run one client of peers.py to its end; its answer."""
    done = ns.run(*program(world, client), *arguments, **kw)
    return json.loads(done.stdout.splitlines()[-1])


def serve(world, ns, server, address, port=PORT, *arguments):
    """Run one server of peers.py until the end of the test."""
    return world.spawn(ns, *program(world, server), address, port, *arguments,
                       ready_line="listening")


def serve_inet(world, *addresses):
    """The TCP and UDP servers of the inet namespace."""
    for address in addresses or (w.INET4, w.INET6):
        serve(world, world.inet, peers.tcp_server, address)
        serve(world, world.inet, peers.udp_server, address)


def begin(world, ns, client, *arguments, ready_line=None):
    """Start a client of peers.py in the background; finish() gives its answer."""
    return world.spawn(ns, *program(world, client), *arguments, ready_line=ready_line)


def finish(process, deadline_s=60):
    output = b""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        readable, _, _ = select.select([process.stdout], [], [], deadline_s)
        piece = os.read(process.stdout.fileno(), 65536) if readable else b""
        if not piece:
            break
        output += piece
    if process.wait(w.DEADLINE_S):
        raise AssertionError(output.decode(errors="replace"))
    return json.loads(output.splitlines()[-1])


def assert_works(world, address=w.INET4):
    """The guest still reaches the inet namespace (whose TCP server must be running)."""
    assert peer(world, world.guest, peers.upload, address, PORT, 1 << 16) == \
        peers.stream_digest(1 << 16)


def wait_established(ns, port):
    """Wait until a TCP connection to this port of the namespace is established."""
    w.wait_until(lambda: ns.run("ss", "-tnH", "state", "established",
                                f"sport = :{port}").stdout.strip(), f"a connection to {port}")


# --- facts about a network namespace ---


def counter(ns, name):
    """One of the TCP counters of a namespace, as nstat(8) names them without their prefix."""
    lines = ns.run("cat", "/proc/net/snmp", "/proc/net/netstat").stdout.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        if names.startswith(("Tcp:", "TcpExt:")) and name in names.split():
            return int(values.split()[names.split().index(name)])
    raise KeyError(name)


def sysctl(ns, **settings):
    """Settings below net.ipv4 of one namespace."""
    for name, value in settings.items():
        ns.run("sh", "-c", 'echo "$1" >"/proc/sys/net/ipv4/$0"', name, value)


# --- facts about a process ---


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_kib(pid):
    """What a process has in memory for itself, and its part of what it shares."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def status(pid):
    """/proc/PID/status as a dict of strings."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def assert_idle(pid, ours=25):
    """While we burn some ticks of CPU time, an idle process burns hardly any.

    A spinning one gets a fair share of the same cores, so it would burn about as many.
    """
    theirs_before, ours_before = cpu_ticks(pid), cpu_ticks(os.getpid())
    block = bytes(1 << 20)
    while cpu_ticks(os.getpid()) - ours_before < ours:
        hashlib.sha256(block).digest()
    spent = cpu_ticks(pid) - theirs_before
    assert spent <= ours // 5, f"{spent} ticks while it should be idle"


def processes(world):
    """The processes that are in the world's host or guest network namespace."""
    wanted = {os.readlink(f"/proc/{ns.pid}/ns/net") for ns in (world.host, world.guest)}
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/net") in wanted:
                found.add(int(pid))
    return found


def holders(fd):
    """The processes, other than this one, that have our pipe or socket open."""
    wanted, found = os.readlink(f"/proc/self/fd/{fd}"), set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if any(os.readlink(f"/proc/{pid}/fd/{n}") == wanted
                   for n in os.listdir(f"/proc/{pid}/fd")):
                found.add(int(pid))
    return found - {os.getpid()}


def errors(gate):
    """The lines on standard error, without the two that every start writes."""
    return [line for line in gate.stderr().splitlines()
            if not line.startswith(("sent tapfd=", "received tapfd="))]


def wait_eof(fd, deadline_s=w.DEADLINE_S):
    """Wait until every writer of a pipe is gone; what they wrote."""
    output = b""
    while True:
        readable, _, _ = select.select([fd], [], [], deadline_s)
        assert readable, "somebody still holds the pipe"
        piece = os.read(fd, 65536)
        if not piece:
            return output
        output += piece


@contextlib.contextmanager
def pipe():
    """A pipe (reader, writer); whatever is still open is closed at the end. The number of an end that
    was closed meanwhile may be another file's by then, which stays.
    """
    ends = os.pipe()
    ours = os.fstat(ends[0])
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(end), ours):
                    os.close(end)


__all__ = [name for name in dir() if not name.startswith("_")]

"""The cells of the bench: what is measured of a row, and how one number comes about.

measure(row) gives {series: number}, for instance {"p50": 61.2, "p99": 90.4}; None means that the
row has no such thing. Whatever stalls is ended by a timeout and raises Stalled.
"""
import contextlib
import json
import pathlib
import re
import select
import statistics
import subprocess

from rows import IPERF_PORT, PROBE_PORT

GRACE_S = 8         # what a measurement may take beyond its own length
STARTS = 10         # in one measurement
HOLD_S = 30         # to make all the connections that are then idle
GIB = 1 << 30


class Stalled(Exception):
    """The row did not finish in time, or not at all."""


class Cell:
    def __init__(self, name, unit, higher_is_better, measure):
        self.name, self.unit, self.higher_is_better = name, unit, higher_is_better
        self.measure = measure


def run(command, seconds, **kw):
    """Standard output of a client, as text."""
    try:
        done = subprocess.run([str(a) for a in command], capture_output=True, text=True,
                              timeout=seconds + GRACE_S, check=False, **kw)
    except subprocess.TimeoutExpired as late:
        raise Stalled(f"no end after {late.timeout} s") from late
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().split("\n")
        raise Stalled(lines[-1] or f"status {done.returncode}")
    return done.stdout


@contextlib.contextmanager
def iperf_server(world, ns):
    """A server for one test: a client that stalls cannot make it busy for the next row."""
    server = ns.popen("iperf3", "--server", "--one-off", "--port", IPERF_PORT,
                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    try:
        world.wait_listening(ns, IPERF_PORT)
        yield
    finally:
        server.kill()
        server.wait()


def iperf(world, ends, seconds, *options):
    """The "end" of iperf3's report on one run."""
    whole = max(1, round(seconds))      # iperf3 takes no fractions
    with iperf_server(world, ends.server):
        text = run([*ends.client.enter(), "iperf3", "--client", ends.address, "--port",
                    ends.ports[IPERF_PORT], "--json", "--time", whole, *options], whole)
    return json.loads(text)["end"]


def out(mtu):
    return lambda row: row.out(mtu)


def into(mtu, loopback=False):
    return lambda row: row.into(mtu, loopback)


def throughput(where, reverse, streams, seconds):
    def measure(row):
        ends = where(row)
        if ends is None:
            return None
        options = ["--parallel", streams, *(["--reverse"] if reverse else [])]
        moved = iperf(row.world, ends, seconds, *options)["sum_received"]
        return {"": moved["bits_per_second"] / 1e9}
    return measure


@contextlib.contextmanager
def losing(ns, percent):
    """Drop packets at random, both ways, between the guest's IP and its interface."""
    rule = f"numgen random mod 100 < {percent} drop"
    ns.run("nft", "-f", "-", input=f"""table inet loss {{
        chain in {{ type filter hook input priority 0; iifname != lo {rule}; }}
        chain out {{ type filter hook output priority 0; oifname != lo {rule}; }}
    }}""")
    try:
        yield
    finally:
        ns.run("nft", "delete", "table", "inet", "loss")


def lossy(percent, seconds):
    def measure(row):
        ends = row.out(1500)
        if ends is None or ends.client is row.world.host:
            return None
        with losing(ends.client, percent):
            return {name: iperf(row.world, ends, seconds, *options)["sum_received"]
                    ["bits_per_second"] / 1e6
                    for name, options in (("up", []), ("down", ["--reverse"]))}
    return measure


def probe(where, verb, series, program, seconds):
    """A verb of probe.c that prints one number for each series."""
    def measure(row):
        ends = where(row)
        if ends is None:
            return None
        text = run([*ends.client.enter(), program, verb, ends.address, ends.ports[PROBE_PORT],
                    int(seconds * 1000)], seconds)
        return dict(zip(series, map(float, text.split())))
    return measure


def start_to_ready(program):
    def measure(row):
        if row.starts() is None:
            return None
        until, argv = row.starts()
        text = run([*row.world.as_caller(), program, "starts", STARTS, until, *argv], 2,
                   env=row.environment)
        took = [float(ms) for ms in text.split()]
        if min(took) < 0:
            raise Stalled("did not start")
        return {"": statistics.median(took)}
    return measure


def run_to_end(program):
    """A command that does nothing, in a new network namespace of the row's."""
    def measure(row):
        if row.wraps() is None:
            return None
        text = run([*row.world.as_caller(), program, "starts", STARTS, "exit", *row.wraps(), "true"],
                   2, env=row.environment)
        took = [float(ms) for ms in text.split()]
        if min(took) < 0:
            raise Stalled("did not start")
        return {"": statistics.median(took)}
    return measure


# --- what an instance costs: memory, processor time ---


def proc(pid, file):
    return pathlib.Path(f"/proc/{pid}/{file}").read_text(encoding="ascii")


def kib(text, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)[1])


def cpu_ns(pid):
    """Time on a processor, of all threads: the first field of schedstat."""
    return sum(int(path.read_text(encoding="ascii").split()[0])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


@contextlib.contextmanager
def holding(ends, program, verb, count):
    """Connections, or sockets for datagrams, of the guest that nobody talks on."""
    client = ends.client.popen(program, verb, ends.address, PROBE_PORT, count,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        ready, _, _ = select.select([client.stdout], [], [], HOLD_S)
        if not ready or client.stdout.readline() != b"holding\n":
            why = f"within {HOLD_S} s" if not ready else "at all"
            raise Stalled(f"no {count} of them {why}")
        yield
    finally:
        client.kill()
        client.communicate()


def resident(row):
    instance = row.fresh()
    if instance is None:
        return None
    with instance as (_, pid):
        return {"": kib(proc(pid, "status"), "VmRSS")}


def idle_memory(program, verb, count):
    def measure(row):
        instance = row.fresh()
        if instance is None:
            return None
        with instance as (ends, pid):
            with holding(ends, program, verb, 1):       # whatever is needed once
                before = kib(proc(pid, "smaps_rollup"), "Pss")
                with holding(ends, program, verb, count):
                    after = kib(proc(pid, "smaps_rollup"), "Pss")
        return {"": (after - before) * 1024 / count}
    return measure


def idle_cpu(program, count, seconds):
    """One stream among idle connections, over the same stream alone: time of the processor, and
    of the clock, for each GiB.
    """
    def stream(row, ends, pid):
        before = cpu_ns(pid)
        moved = iperf(row.world, ends, seconds)["sum_received"]
        return (cpu_ns(pid) - before) / moved["bytes"] * GIB, 1 / moved["bits_per_second"]

    def measure(row):
        instance = row.fresh()
        if instance is None:
            return None
        with instance as (ends, pid):
            stream(row, ends, pid)       # everything warm
            alone = stream(row, ends, pid)
            with holding(ends, program, "hold", count):
                among = stream(row, ends, pid)
        return {"cpu": among[0] / alone[0], "time": among[1] / alone[1]}
    return measure


def stream_cells(seconds):
    for mtu in 1500, 65520:
        for streams in 1, 8:
            for name, reverse in ("up", False), ("down", True):
                yield Cell(f"{name}-{mtu}-{streams}", "Gbit/s", True,
                           throughput(out(mtu), reverse, streams, seconds))


def port_cells(program, seconds):
    for name, reverse in ("in", False), ("out", True):
        for mtu in 1500, 65520:
            yield Cell(f"port-{name}-{mtu}", "Gbit/s", True,
                       throughput(into(mtu), reverse, 1, seconds))
        yield Cell(f"port-{name}-loopback", "Gbit/s", True,
                   throughput(into(1500, True), reverse, 1, seconds))
    for name, verb in ("crr", "crr"), ("crr-8", "crr8"), ("udp-echo", "udp"):
        yield Cell(f"port-{name}", "1/s", True, probe(into(1500), verb, ("",), program, seconds))
    yield Cell("port-udp", "%", True,
               probe(into(1500), "udpway", ("arrived", "sent"), program, seconds))


def all_cells(program, seconds, idle):
    default = out(1500)
    return [
        *stream_cells(seconds),
        Cell("rr", "us", False, probe(default, "rr", ("p50", "p99"), program, seconds)),
        Cell("crr", "1/s", True, probe(default, "crr", ("",), program, seconds)),
        Cell("crr-8", "1/s", True, probe(default, "crr8", ("",), program, seconds)),
        Cell("udp-echo", "1/s", True, probe(default, "udp", ("",), program, seconds)),
        Cell("udp-up", "%", True, probe(default, "udpway", ("arrived", "sent"), program, seconds)),
        *port_cells(program, seconds),
        Cell("loss-1", "Mbit/s", True, lossy(1, seconds)),
        Cell("loss-5", "Mbit/s", True, lossy(5, seconds)),
        Cell("start", "ms", False, start_to_ready(program)),
        Cell("run", "ms", False, run_to_end(program)),
        Cell("rss", "KiB", False, resident),
        Cell("idle-mem", "B", False, idle_memory(program, "hold", idle)),
        Cell("idle-udp-mem", "B", False, idle_memory(program, "holdudp", idle)),
        Cell("idle-cpu", "times", False, idle_cpu(program, idle, seconds)),
    ]

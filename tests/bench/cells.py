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

IPERF_PORT, PROBE_PORT = 5201, 5300
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
def iperf_server(world):
    """A server for one test: a client that stalls cannot make it busy for the next row."""
    server = world.host.popen("iperf3", "--server", "--one-off", "--port", IPERF_PORT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        world.wait_listening(world.host, IPERF_PORT)
        yield
    finally:
        server.kill()
        server.wait()


def iperf(world, ns, address, seconds, *options):
    """What one run moved: {"bytes", "bits_per_second", ...} as received."""
    whole = max(1, round(seconds))      # iperf3 takes no fractions
    with iperf_server(world):
        text = run([*ns.enter(), "iperf3", "--client", address, "--port", IPERF_PORT, "--json",
                    "--time", whole, *options], whole)
    return json.loads(text)["end"]["sum_received"]


def throughput(mtu, reverse, streams, seconds):
    def measure(row):
        options = ["--parallel", streams, *(["--reverse"] if reverse else [])]
        moved = iperf(row.world, *row.at(mtu), seconds, *options)
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
        ns, address = row.at(1500)
        if ns is row.world.host:
            return None
        with losing(ns, percent):
            return {name: iperf(row.world, ns, address, seconds, *options)["bits_per_second"] / 1e6
                    for name, options in (("up", []), ("down", ["--reverse"]))}
    return measure


def probe(verb, series, program, seconds):
    """A verb of probe.c that prints one number for each series."""
    def measure(row):
        ns, address = row.at(1500)
        text = run([*ns.enter(), program, verb, address, PROBE_PORT, int(seconds * 1000)], seconds)
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
def holding(ns, address, program, count):
    """Connections of the guest that nobody talks on."""
    client = ns.popen(program, "hold", address, PROBE_PORT, count, stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ready, _, _ = select.select([client.stdout], [], [], HOLD_S)
        if not ready or client.stdout.readline() != b"holding\n":
            why = f"within {HOLD_S} s" if not ready else "at all"
            raise Stalled(f"no {count} connections {why}")
        yield
    finally:
        client.kill()
        client.communicate()


def resident(row):
    instance = row.fresh()
    if instance is None:
        return None
    with instance as (_, _, pid):
        return {"": kib(proc(pid, "status"), "VmRSS")}


def idle_memory(program, count):
    def measure(row):
        instance = row.fresh()
        if instance is None:
            return None
        with instance as (ns, address, pid):
            with holding(ns, address, program, 1):      # whatever is needed once
                before = kib(proc(pid, "smaps_rollup"), "Pss")
                with holding(ns, address, program, count):
                    after = kib(proc(pid, "smaps_rollup"), "Pss")
        return {"": (after - before) * 1024 / count}
    return measure


def idle_cpu(program, count, seconds):
    """One stream among idle connections, over the same stream alone: time of the processor, and
    of the clock, for each GiB.
    """
    def stream(row, ns, address, pid):
        before = cpu_ns(pid)
        moved = iperf(row.world, ns, address, seconds)
        return (cpu_ns(pid) - before) / moved["bytes"] * GIB, 1 / moved["bits_per_second"]

    def measure(row):
        instance = row.fresh()
        if instance is None:
            return None
        with instance as (ns, address, pid):
            stream(row, ns, address, pid)       # everything warm
            alone = stream(row, ns, address, pid)
            with holding(ns, address, program, count):
                among = stream(row, ns, address, pid)
        return {"cpu": among[0] / alone[0], "time": among[1] / alone[1]}
    return measure


def all_cells(program, seconds, idle):
    cells = []
    for mtu in 1500, 65520:
        for streams in 1, 8:
            for name, reverse in ("up", False), ("down", True):
                cells.append(Cell(f"{name}-{mtu}-{streams}", "Gbit/s", True,
                                  throughput(mtu, reverse, streams, seconds)))
    cells += [
        Cell("rr", "us", False, probe("rr", ("p50", "p99"), program, seconds)),
        Cell("crr", "1/s", True, probe("crr", ("",), program, seconds)),
        Cell("crr-8", "1/s", True, probe("crr8", ("",), program, seconds)),
        Cell("udp-echo", "1/s", True, probe("udp", ("",), program, seconds)),
        Cell("loss-1", "Mbit/s", True, lossy(1, seconds)),
        Cell("loss-5", "Mbit/s", True, lossy(5, seconds)),
        Cell("start", "ms", False, start_to_ready(program)),
        Cell("rss", "KiB", False, resident),
        Cell("idle-mem", "B", False, idle_memory(program, idle)),
        Cell("idle-cpu", "times", False, idle_cpu(program, idle, seconds)),
    ]
    return cells

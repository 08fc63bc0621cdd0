"""The cells of the bench: what is measured of a row, and how one number comes about.

measure(row) gives {series: number}, for instance {"p50": 61.2, "p99": 90.4}; None means that the
row has no such thing. Whatever stalls is ended by a timeout and raises Stalled.
"""
import contextlib
import json
import statistics
import subprocess

IPERF_PORT, PROBE_PORT = 5201, 5300
GRACE_S = 8         # what a measurement may take beyond its own length
STARTS = 10         # in one measurement


class Stalled(Exception):
    """The row did not finish in time, or not at all."""


class Cell:
    def __init__(self, name, unit, higher_is_better, measure):
        self.name, self.unit, self.higher_is_better = name, unit, higher_is_better
        self.measure = measure


def run(command, seconds):
    """Standard output of a client, as text."""
    try:
        done = subprocess.run([str(a) for a in command], capture_output=True, text=True,
                              timeout=seconds + GRACE_S, check=False)
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


def throughput(mtu, reverse, streams, seconds):
    def measure(row):
        ns, address = row.at(mtu)
        whole = max(1, round(seconds))      # iperf3 takes no fractions
        options = ["--json", "--time", whole, "--parallel", streams]
        with iperf_server(row.world):
            text = run([*ns.enter(), "iperf3", "--client", address, "--port", IPERF_PORT, *options,
                        *(["--reverse"] if reverse else [])], whole)
        end = json.loads(text)["end"]
        return {"": end["sum_received"]["bits_per_second"] / 1e9}
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
        text = run([*row.world.as_caller(), program, "starts", STARTS, until, *argv], 2)
        took = [float(ms) for ms in text.split()]
        if min(took) < 0:
            raise Stalled("did not start")
        return {"": statistics.median(took)}
    return measure


def resident(row):
    kib = row.rss_kib()
    return None if kib is None else {"": kib}


def all_cells(program, seconds):
    cells = []
    for mtu in 1500, 65520:
        for streams in 1, 8:
            for name, reverse in ("up", False), ("down", True):
                cells.append(Cell(f"{name}-{mtu}-{streams}", "Gbit/s", True,
                                  throughput(mtu, reverse, streams, seconds)))
    cells += [
        Cell("rr", "us", False, probe("rr", ("p50", "p99"), program, seconds)),
        Cell("crr", "1/s", True, probe("crr", ("",), program, seconds)),
        Cell("udp-echo", "1/s", True, probe("udp", ("",), program, seconds)),
        Cell("start", "ms", False, start_to_ready(program)),
        Cell("rss", "KiB", False, resident),
    ]
    return cells

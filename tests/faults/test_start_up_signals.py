"""SIGTERM at every step of the start: death by that signal, and nothing is left behind."""
import contextlib
import os
import signal

import pytest

import probes
import world as w
from probes import CONFINED

STEPS = 50              # how many of the start's system calls are tried, evenly spread


def start_traced(world, sock, tracer, alive_w, *options):
    """Start under strace, with a pipe that every process of the start has inherited."""
    return world.start_tap("-a", sock, *options, wait=False, extra_fds=[alive_w],
                           user=[*world.as_user(), "strace", "-qq", *tracer])


def count_calls(world, sock, *options):
    """How many system calls the program makes until it has written the ready byte."""
    trace = world.tmp / "trace"
    with probes.pipe() as (_, alive_w):
        gate = start_traced(world, sock, ["-o", trace], alive_w, *options)
        gate.wait_ready()
        gate.stop()
    lines = trace.read_text().splitlines()
    return next(n for n, line in enumerate(lines) if line.startswith("write(")
                and line.endswith(', "1", 1)                  = 1') or '"1", 1)' in line)


def facts(world):
    """Everything that a start could leave behind."""
    return {"processes": probes.processes(world),
            "files": sorted(p.name for p in world.tmp.iterdir()),
            "mounts": world.host.run("cat", "/proc/self/mountinfo").stdout,
            "links": [link["ifname"] for link in world.guest.ip("link")]}


@pytest.mark.parametrize("options", [(), CONFINED], ids=["open", "confined"])
def test_terminated_at_every_step(world, sock, options):
    calls = count_calls(world, sock, *options)
    before = facts(world)
    for step in range(1, calls + 1, max(1, calls // STEPS)):
        inject = ["-o", "/dev/null", f"--inject=all:signal=TERM:when={step}"]
        with probes.pipe() as (alive_r, alive_w):
            gate = start_traced(world, sock, inject, alive_w, *options)
            os.close(alive_w)
            probes.wait_eof(alive_r)
            assert gate.wait() == -signal.SIGTERM, f"step {step} of {calls}: {gate.stderr()}"
            w.wait_until(lambda: probes.processes(world) <= before["processes"], "processes")
            assert facts(world) == before, f"step {step} of {calls}"
            gate.close()


def test_killed_at_every_step(world, sock):
    """Nothing can tidy up the socket file then, but no process and no mount may stay."""
    calls = count_calls(world, sock, *CONFINED)
    before = facts(world)
    for step in range(1, calls + 1, max(1, calls // 15)):
        inject = ["-o", "/dev/null", f"--inject=all:signal=KILL:when={step}"]
        with probes.pipe() as (alive_r, alive_w):
            gate = start_traced(world, sock, inject, alive_w, *CONFINED)
            os.close(alive_w)
            probes.wait_eof(alive_r)
            gate.close()
        w.wait_until(lambda: probes.processes(world) <= before["processes"], "processes")
        with contextlib.suppress(FileNotFoundError):
            sock.unlink()
        assert facts(world) == before, f"step {step} of {calls}"

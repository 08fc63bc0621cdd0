"""SIGTERM and SIGKILL at every step of the start: nothing of it is left behind."""
import collections
import contextlib
import os
import re
import signal

import pytest

import probes
import world as w
from probes import CONFINED


def start_traced(world, sock, tracer, alive_w, *options):
    """Start under strace, with a pipe that every process of the start has inherited."""
    return world.start_tap("-a", sock, *options, wait=False, extra_fds=[alive_w],
                           user=[*world.as_user(), "strace", "-qq", *tracer])


def steps_of_start(world, sock, *options):
    """The system calls that the program makes until it has written the ready byte.

    Each as (name, how many of that name so far), which is how strace counts them.
    """
    trace = world.tmp / "trace"
    with probes.pipe() as (_, alive_w):
        gate = start_traced(world, sock, ["-o", trace], alive_w, *options)
        gate.wait_ready()
        gate.stop()
        gate.close()
    ready_fd = gate.argv[gate.argv.index("-r") + 1]
    steps, seen = [], collections.Counter()
    for line in trace.read_text().splitlines():
        call = re.match(r"\w+(?=\()", line)
        if not call:
            continue                    # a signal, not a system call
        name = call.group()
        seen[name] += 1
        steps.append((name, seen[name]))
        if line.startswith(f"write({ready_fd}, "):      # what it writes is not shown: not dumpable
            break
    trace.unlink()
    return steps


def own_steps(steps, count):
    """A few steps of the loading of the program, and count of what it does by itself."""
    begin = next(n for n, (name, _) in enumerate(steps) if name == "signalfd4")
    own = [step for step in steps[begin:] if step[0] != "futex"]     # not needed in every run
    return steps[1:begin:30] + own[::max(1, len(own) // count)] + own[-1:]


def facts(world):
    """Everything that a start could leave behind."""
    return {"files": sorted(p.name for p in world.tmp.iterdir()),
            "mounts": world.host.run("cat", "/proc/self/mountinfo").stdout,
            "links": [link["ifname"] for link in world.guest.ip("link")]}


def end_at_step(world, sock, number, step, *options):
    """Start, send the signal at that step, and wait until all processes are gone; the status."""
    before = probes.processes(world)
    inject = f"--inject={step[0]}:signal={number.name}:when={step[1]}"
    with probes.pipe() as (alive_r, alive_w):
        gate = start_traced(world, sock, ["-o", "/dev/null", inject], alive_w, *options)
        os.close(alive_w)
        probes.wait_eof(alive_r)
        status = gate.wait()
        gate.close()
    w.wait_until(lambda: probes.processes(world) <= before, f"all processes to end after {step}")
    return status


def test_terminated_at_every_step(world, sock, confinement):
    """The status is death by that signal; no file, no mount and no tap stay."""
    before = facts(world)
    for step in own_steps(steps_of_start(world, sock, *confinement), 40):
        status = end_at_step(world, sock, signal.SIGTERM, step, *confinement)
        assert (step, status, facts(world)) == (step, -signal.SIGTERM, before)


@pytest.mark.parametrize("options", [CONFINED], ids=["confined"])
def test_killed_at_every_step(world, sock, options):
    """No mount and no tap stay; the socket file does where nobody is left to remove it."""
    before = facts(world)
    for step in own_steps(steps_of_start(world, sock, *options), 12):
        end_at_step(world, sock, signal.SIGKILL, step, *options)
        with contextlib.suppress(FileNotFoundError):
            sock.unlink()
        assert (step, facts(world)) == (step, before)

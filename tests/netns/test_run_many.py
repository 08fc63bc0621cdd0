"""Very many networks of one user at once: all of them work, cost next to nothing, and leave nothing."""
import contextlib
import os
import pathlib

import callers as c
import probes
import runs
import world as w

# The address sanitizer's own memory is many times ours: then a few have to do.
SANITIZED = b"__asan_init" in pathlib.Path(w.binary()).read_bytes()
AT_ONCE = 20 if SANITIZED else 200
PRIVATE_KIB_MAX = 4096          # of an instance, its command left out
# Ask the server who we are, print its answer, and wait for the end of the input; no program but bash.
CLIENT = (f"exec 3<>/dev/tcp/{w.INET4}/{c.PORT} && head -n1 <&3 && exec 3>&- && echo up && "
          "while read -r line; do :; done; exit 3")


def private_kib(pid):
    """Memory that exists because of this process alone."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines()
               if line.startswith(("Private_Clean:", "Private_Dirty:")))


def ours(running):
    """Runner, engine and keeper."""
    return [running.pid, running.engine, *runs.children(running.engine)]


def spent_while_we_burn(pids, ticks):
    """CPU time of these processes while we burn so much of it: what spins gets a share like ours."""
    before, ours_before = sum(map(probes.cpu_ticks, pids)), probes.cpu_ticks(os.getpid())
    block = bytes(1 << 20)
    while probes.cpu_ticks(os.getpid()) - ours_before < ticks:
        probes.hashlib.sha256(block).digest()
    return sum(map(probes.cpu_ticks, pids)) - before


def find_processes(running):
    running.cmd, running.engine = sorted(runs.children(running.pid), key=runs.is_engine)


def assert_all_work(started):
    for running in started:
        assert running.process.stdout.readline() == f"{w.HOST4}\n", running.end()
        assert running.process.stdout.readline() == "up\n"
        find_processes(running)


def assert_cheap(started):
    for running in started:
        each = {pid: private_kib(pid) for pid in ours(running)}
        assert SANITIZED or sum(each.values()) <= PRIVATE_KIB_MAX, each
    everybody = [pid for running in started for pid in ours(running)]
    ticks = 100
    assert spent_while_we_burn(everybody, ticks) <= ticks // 10


def test_all_work_and_idle(world):
    c.serve(world, world.inet)
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(runs.Running(world, "bash", "-c", CLIENT))
                   for _ in range(AT_ONCE)]
        assert_all_work(started)
        assert_cheap(started)
        sockets = list((world.tmp / "xdg" / "gate4netns").iterdir())
        assert len(sockets) == AT_ONCE
        for running in started:
            running.process.stdin.close()
        for running in started:
            assert running.process.wait(w.DEADLINE_S) == 3
            assert running.process.stderr.read() == ""
    runs.wait_all_gone(world)
    assert not list((world.tmp / "xdg" / "gate4netns").iterdir())
    assert [link["ifname"] for link in world.host.ip("link")] == ["lo", "up0"]


def test_all_are_killed_at_once(world):
    """Nobody is left to tidy up but the keepers, which do."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(runs.Running(world, "sh", "-c", "echo up; read line"))
                   for _ in range(AT_ONCE // 4)]
        for running in started:
            assert running.process.stdout.readline() == "up\n"
        for running in started:
            running.process.kill()
    runs.wait_all_gone(world)
    w.wait_until(lambda: not list((world.tmp / "xdg" / "gate4netns").iterdir()),
                 "the sockets to go")

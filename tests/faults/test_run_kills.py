"""What a run leaves behind, whatever happens to it: nothing.

Each of its processes is killed in turn, and it is told to end in every way; afterwards there is no process
of it, no mount and no interface outside, no socket and no other file.
"""
import contextlib
import os
import pathlib
import signal

import pytest

import probes
import runs
import world as w
from terminal import Terminal

WAIT_FOR_INPUT = ("sh", "-c", "echo up; read line")
DEAF = ("sh", "-c", "trap '' HUP INT TERM; echo up; read line")


def files(folder):
    return {str(path): path.lstat().st_ino for path in pathlib.Path(folder).rglob("*")}


def traces(world):
    """All that a run could leave, as it is now. (Its folder for sockets stays, empty.)"""
    runs.environment(world)
    (world.tmp / "xdg" / "gate4netns").mkdir(mode=0o700, exist_ok=True)
    if world.rootless:
        os.chown(world.tmp / "xdg" / "gate4netns", w.USER, w.USER)
    return {"mounts": pathlib.Path(f"/proc/{world.host.pid}/mountinfo").read_text(),
            "machine's mounts": pathlib.Path("/proc/self/mountinfo").read_text(),
            "interfaces": sorted(link["ifname"] for link in world.host.ip("link")),
            "files": files(world.tmp)}


class Watched(runs.Running):
    """A run, and the processes that it is made of."""

    def __init__(self, world, *argv, **kw):
        self.world = world
        self.before = traces(world)
        super().__init__(world, *argv, ready_line="up", **kw)
        self.pids = {"runner": self.pid, "engine": self.engine, "command": self.cmd,
                     "keeper": runs.children(self.engine)[0]}

    def assert_nothing_left(self):
        for name, pid in self.pids.items():
            w.wait_until(lambda: is_gone(pid), f"the end of the {name}")
        w.wait_until(lambda: traces(self.world) == self.before, "the end of all traces")


def is_gone(pid):
    with contextlib.suppress(OSError):
        return probes.status(pid)["State"][0] in "ZX"
    return True


@pytest.fixture
def watched(world):
    with Watched(world, *WAIT_FOR_INPUT) as made:
        assert traces(world) != made.before, "an API socket at least"
        yield made


# --- one of its processes is killed ---


@pytest.mark.parametrize("victim, status, said", [
    ("runner", -signal.SIGKILL, ""), ("command", 128 + signal.SIGKILL, ""),
    ("engine", 125, "the network has ended\n")])
def test_kill(watched, victim, status, said):
    os.kill(watched.pids[victim], signal.SIGKILL)
    assert watched.end() == (status, "", said)
    watched.assert_nothing_left()


def test_kill_the_keeper(watched):
    """The network goes on without. Who started it outlives it, and removes the socket's file then."""
    os.kill(watched.pids["keeper"], signal.SIGKILL)
    w.wait_until(lambda: is_gone(watched.pids["keeper"]), "its end")
    out, err = watched.process.communicate("\n", timeout=w.DEADLINE_S)
    assert (watched.process.returncode, out, err.count("\n")) == (0, "", 1)
    assert err.startswith("the keeper has gone: ")
    watched.assert_nothing_left()


# --- it is told to end ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_the_command_and_with_it_the_network(watched, number):
    watched.process.send_signal(number)
    assert watched.end() == (128 + number, "", "")
    watched.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_everybody(world, number):
    """A service manager signals the whole group; the engine is not in it, and ends in time."""
    with Watched(world, *WAIT_FOR_INPUT, start_new_session=True) as watched:
        os.killpg(watched.pid, number)
        assert watched.end() == (128 + number, "", "")
        watched.assert_nothing_left()


def test_command_that_ignores_the_signal_stays(world):
    with Watched(world, *DEAF) as watched:
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            watched.process.send_signal(number)
        out, err = watched.process.communicate("\n", timeout=w.DEADLINE_S)
        assert (watched.process.returncode, out, err) == (0, "", "")
        watched.assert_nothing_left()


def test_signal_to_all_of_it(world):
    """As the end of a service or of a session has it: CMD decides when it ends, and has a network until then."""
    cleaning = "trap 'echo cleaning; read line; ping -c1 -W5 10.0.2.2 >/dev/null && exit 7' TERM; echo up; read line"
    with Watched(world, "sh", "-c", cleaning) as watched:
        for name in "engine", "keeper", "runner":       # and CMD by way of the last
            os.kill(watched.pids[name], signal.SIGTERM)
        assert watched.process.stdout.readline() == "cleaning\n"
        out, err = watched.process.communicate("\n", timeout=w.DEADLINE_S)
        assert (watched.process.returncode, out, err) == (7, "", "")
        watched.assert_nothing_left()


@pytest.mark.parametrize("command, status", [
    (("sh", "-c", "echo up; exec tail -f /dev/null"), 128 + signal.SIGHUP), (DEAF, 1)],
    ids=["told by SIGHUP", "told by its input"])
def test_the_terminal_goes_away(world, command, status):
    """We are the leader of its session: nobody but us gets the SIGHUP, and CMD has to have it too."""
    before = traces(world)
    with Terminal([*world.as_caller(), *runs.command(*command)], **runs.environment(world)) as tty:
        tty.expect("up\r\n")
        engine = next(pid for pid in runs.children(tty.pid) if runs.is_engine(pid))
        tty.hang_up()
        assert os.waitstatus_to_exitcode(tty.wait()) == status
    w.wait_until(lambda: is_gone(engine), "the end of the network")
    w.wait_until(lambda: traces(world) == before, "the end of all traces")


@pytest.mark.parametrize("number", ["KILL", "TERM", "INT"])
def test_end_at_any_moment_of_the_start(world, number):
    """And at a few after it: the command is too short to matter."""
    before = traces(world)
    for moment_ms in range(1, 40, 2):
        world.host.run(*world.as_user(), "timeout", "--foreground", f"--signal={number}",
                       f"{moment_ms / 1000}", *runs.command("cat", "/etc/resolv.conf"),
                       check=False, env=runs.environment(world))
    runs.wait_all_gone(world)
    w.wait_until(lambda: traces(world) == before, "the end of all traces")
    assert runs.run(world, "echo", "ran").stdout == "ran\n"


# --- the streams ---


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(world, redirections):
    """CMD has something there all the same: nothing that it opens becomes a stream by chance."""
    before = traces(world)
    script = "exec 9>/dev/null; ls /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 >/dev/null; exit 5"
    done = world.host.run(*world.as_user(), "sh", "-c", f'exec "$@" {redirections}', "sh",
                          *runs.command("sh", "-c", script), check=False,
                          env=runs.environment(world))
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "")
    w.wait_until(lambda: traces(world) == before, "the end of all traces")


def test_nobody_reads_the_output(world):
    """SIGPIPE is the command's, and its end is that of the network."""
    before = traces(world)
    done = world.host.run(*world.as_user(), "bash", "-c", '"$@" | head -n1; echo ${PIPESTATUS[0]}',
                          "bash", *runs.command("yes"), env=runs.environment(world))
    assert done.stdout.split() == ["y", str(128 + signal.SIGPIPE)]
    w.wait_until(lambda: traces(world) == before, "the end of all traces")


# --- a start that cannot succeed, or only just ---


def limited(world, limits, *argv):
    return world.host.run(*world.as_user(), "bash", "-c", f'ulimit {limits} && exec "$@"', "bash",
                          *runs.command(*argv), check=False, env=runs.environment(world))


def assert_refused(world, done, before):
    """One failure, explained, and nothing of it is left."""
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert done.stderr
    w.wait_until(lambda: traces(world) == before, "the end of all traces")
    runs.wait_all_gone(world)


def test_every_limit_of_descriptors(world):
    """Wherever they run out: it starts, or says what went wrong."""
    before = traces(world)
    for limit in range(4, 24):
        done = limited(world, f"-n {limit}", "echo", "ran")
        if done.returncode == 0:
            assert (done.stdout, done.stderr) == ("ran\n", ""), limit
        else:
            assert_refused(world, done, before)
    assert done.returncode == 0


@pytest.mark.parametrize("limit", range(4))
def test_no_process_may_be_started(rootless_world, limit):
    world = rootless_world
    before = traces(world)
    assert_refused(world, limited(world, f"-u {limit}", "/bin/echo", "ran"), before)


@pytest.mark.parametrize("name", ["user", "net", "mnt"])
def test_no_namespace_may_be_made(world, name):
    """ENOSPC from the kernel (namespaces(7)), which has nothing to do with a disk."""
    before = traces(world)
    done = world.host.run(*world.as_user(), "unshare", "--user", "--map-root-user", "sh", "-c",
                          f'echo 0 >/proc/sys/user/max_{name}_namespaces; exec "$@"', "sh",
                          *runs.command("echo", "ran"), check=False, env=runs.environment(world))
    assert f"max_{name}_namespaces" in done.stderr
    assert_refused(world, done, before)


def test_no_room_for_a_file(world):
    """What CMD reads in /etc cannot be written."""
    before = traces(world)
    assert_refused(world, limited(world, "-f 0", "echo", "ran"), before)


# --- a file system that is not as usual ---


def in_view(world, change, *argv, **kw):
    """run where the file system has been changed, for it alone."""
    return world.host.run("unshare", "--mount", "sh", "-ec", f'{change}; exec "$@"', "sh",
                          *world.as_user(), *runs.command(*argv), check=False,
                          env=runs.environment(world), **kw)


@pytest.mark.parametrize("change", ["umount --lazy /proc", "mount -o remount,bind,ro /proc",
                                    "mount --bind /sys /proc"],
                         ids=["unmounted", "read-only", "another"])
def test_proc_of_no_use(world, change):
    before = traces(world)
    done = in_view(world, change, "echo", "ran")
    assert "/proc" in done.stderr
    assert_refused(world, done, before)


def test_sysctls_may_be_read_only(world):
    """As in most containers."""
    done = in_view(world, "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys",
                   "echo", "ran")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_etc_may_be_read_only(world):
    done = in_view(world, "mount --rbind /etc /etc; mount -o remount,bind,ro /etc", "cat",
                   "/etc/resolv.conf")
    assert done.returncode == 0 and f"nameserver {w.DNS4}\n" in done.stdout, done.stderr


@pytest.mark.parametrize("change", [
    ":", "ln -s ../run/nowhere/stub.conf /etc/resolv.conf"], ids=["missing", "dangling"])
def test_no_resolv_conf(world, change):
    """There is nothing that could be replaced: the program would ask somebody else."""
    before = traces(world)
    done = in_view(world, f"umount /etc/resolv.conf; mount -t tmpfs none /etc; {change}", "echo",
                   "ran")
    assert "/etc/resolv.conf" in done.stderr and "\nfix: " in done.stderr
    assert_refused(world, done, before)


def test_refusals_are_never_silent(world):
    """The child's report may come together with its end."""
    script = 'for i in $(seq 50); do "$@" 2>&1 | grep -c ^fix:; done'
    done = world.host.run("unshare", "--mount", "sh", "-ec",
                          'umount /etc/resolv.conf; mount -t tmpfs none /etc; exec "$@"', "sh",
                          *world.as_user(), "sh", "-c", script, "sh",
                          *runs.command("echo", "ran"), env=runs.environment(world))
    assert done.stdout.split() == ["1"] * 50

"""gate4netns exec: a command in the namespaces of somebody else."""
import contextlib
import fcntl
import os
import pathlib
import resource
import select
import signal
import subprocess

import pytest

import commands
import probes
import world as w


def argv(world, *args, user=None):
    return [*world.as_caller(user), w.binary(), "exec", *map(str, args)]


def run(world, *args, user=None, **kw):
    kw.setdefault("timeout", w.DEADLINE_S)
    kw.setdefault("text", True)
    if "stdout" not in kw:
        kw.setdefault("capture_output", True)
    return subprocess.run(argv(world, *args, user=user), **kw)


@contextlib.contextmanager
def started(world, *args, user=None):
    """exec in the background once its command has said "up": we are that process."""
    process = subprocess.Popen(argv(world, *args, user=user), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, bufsize=0)
    with process:
        try:
            assert next_line(process) == b"up\n"
            yield process
        finally:
            process.kill()


def next_line(process):
    readable, _, _ = select.select([process.stdout], [], [], w.DEADLINE_S)
    return process.stdout.readline() if readable else b"(timeout)"


def netns(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


# --- which namespace ---


@pytest.mark.parametrize("kind", ["pid", "path", "bound", "fd", "pidfd"])
def test_every_name_of_a_namespace(world, kind):
    pid = world.guest.pid
    with contextlib.ExitStack() as stack:
        fds = []
        if kind == "bound":
            target = world.tmp / "netns"
            target.touch()
            world.host.run("mount", "--bind", f"/proc/{pid}/ns/net", target)
        else:
            target = {"pid": pid, "path": f"/proc/{pid}/ns/net"}.get(kind)
        if not target:
            fds = [os.pidfd_open(pid) if kind == "pidfd" else
                   os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)]
            stack.callback(os.close, *fds)
            target = f"fd:{fds[0]}"
        done = run(world, "--user", target, "readlink", "/proc/self/ns/net", pass_fds=fds)
    assert (done.stdout, done.stderr, done.returncode) == (f"{netns(pid)}\n", "", 0)


def test_only_what_was_asked_for_is_joined(rootful_world):
    world = rootful_world
    done = run(world, world.guest.pid, "readlink", "/proc/self/ns/net", "/proc/self/ns/mnt")
    assert done.stdout.split() == [netns(world.guest.pid),
                                   os.readlink(f"/proc/{world.host.pid}/ns/mnt")]


@pytest.mark.parametrize("target, why", [
    ("999999999", "/proc/999999999/ns/net: No such file or directory"),
    ("nothing-of-that-name", "nothing-of-that-name: No such file or directory"),
    ("/etc/passwd", "'/etc/passwd' is no network namespace"),
    ("fd:0", "/proc/self/fd/0: Invalid argument"),
    ("fd:x", "'fd:x' is no PID, path or fd:FD"),
    ("99999999999", "'99999999999' is no PID, path or fd:FD")])
def test_what_is_no_namespace(rootful_world, target, why):
    done = run(rootful_world, target, "true", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (125, "", f"{why}\n")


@pytest.mark.parametrize("args", [(), ("1",), ("1", "--"), ("--no-such-option", "1", "true"),
                                  ("--timeout=0", "1", "true")])
def test_bad_usage(rootful_world, args):
    done = run(rootful_world, *args)
    assert done.returncode == 125 and done.stdout == "" and done.stderr


def test_options_of_the_command_are_its_own(rootful_world):
    pid = rootful_world.guest.pid
    assert run(rootful_world, pid, "--", "echo", "--user", "-m").stdout == "--user -m\n"
    assert run(rootful_world, pid, "echo", "--", "--help").stdout == "-- --help\n"


# --- who one is there ---


def test_refusal_names_the_option(rootless_world):
    done = run(rootless_world, rootless_world.guest.pid, "true")
    assert done.returncode == 125
    assert done.stderr.count("\n") == 1 and "--user" in done.stderr


def test_namespace_of_a_stranger(rootless_world):
    """Neither with its user namespace: the kernel lets nobody in but its owner and root."""
    world = rootless_world
    stranger = ["setpriv", "--reuid=10002", "--regid=10002", "--clear-groups"]
    done = run(world, "--user", world.guest.pid, "true", user=stranger)
    assert done.returncode == 125 and done.stderr.endswith("Permission denied\n")


WHO = "echo $(id -u) $(id -g) $(id -G)"


def test_root_of_the_namespace(rootless_world):
    world = rootless_world
    for user in None, ["setpriv", "--groups=20,21"]:
        done = run(world, "--user", world.guest.pid, "sh", "-c", WHO, user=user)
        assert done.stdout == "0 0 0\n", done.stderr


def test_namespace_without_root(rootless_world):
    """There one is who the process is: here the same number as outside."""
    world = rootless_world
    with contextlib.closing(w.Namespace(
            [*world.as_user(), "unshare", "--user", "--net", f"--map-user={w.USER}",
             f"--map-group={w.USER}"], inside=world.host)) as guest:
        for user in None, []:
            done = run(world, "--user", guest.pid, "sh", "-c", WHO, user=user)
            assert done.stdout == f"{w.USER} {w.USER} {w.USER}\n", done.stderr


def test_user_namespace_that_is_ours(rootful_world):
    """There is nothing to join, and nobody to become."""
    done = run(rootful_world, "--user", rootful_world.guest.pid, "sh", "-c", WHO,
               user=["setpriv", "--groups=20,21"])
    assert done.stdout == "0 0 0 20 21\n"


# --- mount namespace ---


def test_mount_namespace(world):
    marker = world.tmp / "marker"
    marker.touch()
    world.guest.run("mount", "-t", "tmpfs", "none", world.tmp)
    (done := run(world, "--user", "--mount", world.guest.pid, "ls", world.tmp)).check_returncode()
    assert done.stdout == ""
    assert run(world, "--user", world.guest.pid, "ls", marker).returncode == 0


def test_directory_in_another_mount_namespace(world):
    """The same, where there is one."""
    world.guest.run("mount", "-t", "tmpfs", "none", world.tmp)
    world.guest.run("mkdir", world.tmp / "both")
    for name in "both", "outside":
        (world.tmp / name).mkdir()

    def directory(name):
        prefix = ["env", "-C", str(world.tmp / name)]
        return run(world, "--user", "--mount", world.guest.pid, "pwd",
                   user=[*prefix, *world.as_user()]).stdout.strip()
    assert directory("both") == str(world.tmp / "both")
    assert directory("outside") == "/"


def test_mount_needs_a_process(rootful_world):
    done = run(rootful_world, "--mount", f"/proc/{rootful_world.guest.pid}/ns/net", "true")
    assert done.returncode == 125 and "--mount" in done.stderr


# --- status ---


def test_every_status_is_passed_on(world):
    script = 'for s in $(seq 0 255); do "$@" sh -c "exit $s"; echo $?; done'
    prefix = [w.binary(), "exec", "--user", str(world.guest.pid)]
    done = subprocess.run([*world.as_caller(), "sh", "-c", script, "sh", *prefix],
                          capture_output=True, text=True, timeout=120)
    assert list(map(int, done.stdout.split())) == list(range(256)), done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_signal_that_ends_the_command(rootful_world, number):
    done = run(rootful_world, rootful_world.guest.pid, "sh", "-c", f"kill -{int(number)} $$")
    assert done.returncode == 128 + number


@pytest.mark.parametrize("command, status", [("no-such-command", 127), ("/no/such/command", 127),
                                             ("/etc/passwd", 126), ("/", 126)])
def test_command_that_cannot_be_run(rootful_world, command, status):
    done = run(rootful_world, rootful_world.guest.pid, command)
    assert done.returncode == status
    assert done.stderr.startswith(f"cannot run '{command}': ") and done.stderr.count("\n") == 1


def test_nobody_reads_why_it_cannot_be_run(rootful_world):
    with probes.pipe() as (reader, writer):
        os.close(reader)
        done = run(rootful_world, rootful_world.guest.pid, "no-such-command", stdout=writer,
                   stderr=writer)
    assert done.returncode == 127


# --- what it inherits ---


def test_streams_pass_straight_through(world):
    payload = os.urandom(1 << 20)
    done = run(world, "--user", world.guest.pid, "sh", "-c", "cat; echo aside >&2", input=payload,
               text=False)
    assert (done.stdout, done.stderr, done.returncode) == (payload, b"aside\n", 0)


def inherited(world, **kw):
    done = run(world, "--user", world.guest.pid, *probes.program(world, commands.tell_inherited), **kw)
    assert done.returncode == 0, done.stderr
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def test_descriptors_end_at_two(world):
    with probes.pipe() as (reader, writer):
        far = fcntl.fcntl(reader, fcntl.F_DUPFD, 177)
        try:
            assert inherited(world, pass_fds=[reader, writer, far])["fds"] == "0 1 2"
        finally:
            os.close(far)


def test_limits_and_signals_are_the_callers(world):
    """What we change for ourselves is changed back: mask, dispositions, soft limit of open files."""
    def before():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))

    def bit(number):
        return 1 << (number - 1)
    told = inherited(world, preexec_fn=before, restore_signals=True)
    assert int(told["SigBlk"], 16) == bit(signal.SIGUSR1)
    # Python itself ignores two, here and there.
    assert int(told["SigIgn"], 16) & ~bit(signal.SIGPIPE) & ~bit(signal.SIGXFSZ) == bit(signal.SIGUSR2)
    assert told["files"] == "100"


@pytest.mark.parametrize("ignored", [False, True])
def test_broken_pipe_is_as_the_caller_has_it(rootful_world, ignored):
    def before():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
    done = run(rootful_world, rootful_world.guest.pid, "grep", "SigIgn", "/proc/self/status",
               preexec_fn=before)
    mask = int(done.stdout.split()[1], 16)
    assert bool(mask & (1 << (signal.SIGPIPE - 1))) == ignored


# --- signals to us ---


FORWARDED = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
             signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN]


def test_signals_are_passed_on(world):
    """Those that a process sends to us alone; each once."""
    with started(world, "--user", world.guest.pid, *probes.program(world, commands.tell_signals)) as ours:
        for number in FORWARDED:
            ours.send_signal(number)
            assert next_line(ours) == b"got=%d\n" % number
        ours.stdin.close()
        assert next_line(ours) == b"total=%d\n" % len(FORWARDED)
        assert ours.wait(w.DEADLINE_S) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
@pytest.mark.parametrize("user", [None, []], ids=["caller", "root"])
def test_command_dies_with_us(world, number, user):
    """Also where it has become somebody else on the way in, of which the kernel makes an exception."""
    with started(world, "--user", world.guest.pid, "sh", "-c", "echo up; exec cat", user=user) as ours:
        command, = map(int, pathlib.Path(f"/proc/{ours.pid}/task/{ours.pid}/children")
                       .read_text().split())
        ours.send_signal(number)
        assert ours.wait(w.DEADLINE_S) == -number
        w.wait_until(lambda: not os.path.exists(f"/proc/{command}"), "the end of the command")


# --- --timeout ---


def test_timeout(world):
    assert run(world, "--user", "--timeout=1", world.guest.pid, "tail", "-f", "/dev/null").returncode == 124


def test_timeout_that_is_not_reached(rootful_world):
    assert run(rootful_world, "--timeout=1000", rootful_world.guest.pid, "sh", "-c",
               "exit 9").returncode == 9


def test_timeout_may_be_used_to_tidy_up(rootful_world):
    script = "trap 'echo tidy; exit 4' TERM; echo up; while :; do read x; done"
    done = run(rootful_world, "--timeout=1", rootful_world.guest.pid, "bash", "-c", script,
               stdin=subprocess.PIPE)
    assert (done.stdout, done.returncode) == ("up\ntidy\n", 124)


def test_timeout_of_one_that_does_not_listen(rootful_world):
    done = run(rootful_world, "--timeout=1", rootful_world.guest.pid, "sh", "-c",
               "trap '' TERM; exec tail -f /dev/null")
    assert done.returncode == 124


def test_timeout_of_one_that_is_stopped(rootful_world):
    """It is continued, or it could not tidy up."""
    done = run(rootful_world, "--timeout=1", rootful_world.guest.pid, "bash", "-c",
               "trap 'echo tidy; exit' TERM; kill -STOP $$; while :; do read x; done",
               stdin=subprocess.PIPE)
    assert (done.stdout, done.returncode) == ("tidy\n", 124)

"""gate4netns run: who CMD is, what it inherits, how it ends, and what ends with it."""
import os
import pathlib
import resource
import signal

import pytest

import probes
import runs
import world as w
from runs import run

NEWUIDMAP_USER = "runner"
SUBIDS = "200000:65536"
WAIT_FOR_INPUT = ("sh", "-c", "echo up; read line")


# --- the exit status ---


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 125", 125), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_status_is_that_of_the_command(world, script, status):
    done = run(world, "sh", "-c", script, check=False)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("path, status", [("/nonexistent", 127), ("no-such-command", 127),
                                          ("/etc/passwd", 126), ("/", 126)])
def test_command_that_cannot_run(world, path, status):
    done = run(world, path, check=False)
    assert done.returncode == status
    assert done.stderr.count("\n") == 1 and path in done.stderr


def test_command_that_is_nowhere(world):
    """Also where a directory of PATH may not be searched, for which execvp(3) says EACCES."""
    closed = world.tmp / "closed"
    closed.mkdir(mode=0o700)
    env = dict(runs.environment(world), PATH=f"{closed}:/usr/bin:/bin")
    done = run(world, "no-such-command", check=False, env=env)
    assert (done.returncode, done.stderr) == (127, "cannot run 'no-such-command': No such file or directory\n")


@pytest.mark.parametrize("options", [["--nosuch"], ["--mtu=1"], ["--map=someone"]])
def test_bad_usage(world, options):
    done = run(world, "echo", "ran", options=options, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr


def test_no_command(world):
    done = world.host.run(*world.as_user(), w.binary(), "run", check=False)
    assert done.returncode == 125 and "CMD" in done.stderr


def test_network_that_cannot_be(world):
    """A port that is taken: the engine says so, CMD has not run."""
    world.spawn(world.host, *probes.program(world, probes.peers.tcp_server), "0.0.0.0", 7100,
                ready_line="listening")
    done = run(world, "echo", "ran", options=["-p", "7100:7100"], check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "7100" in done.stderr


# --- who CMD is ---


def ids(world, *options, check=True):
    done = run(world, "sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map;"
               " cat /proc/self/setgroups", options=options, check=check)
    lines = done.stdout.split("\n")
    maps = [tuple(map(int, line.split())) for line in lines[2:-2]]
    half = len(maps) // 2
    return (int(lines[0]), int(lines[1])), maps[:half], maps[half:], lines[-2], done.stderr


def outside_maps():
    """Every id that exists where the tests run, as itself."""
    return [[(int(inside), int(inside), int(count)) for inside, _, count in
             (line.split() for line in pathlib.Path(f"/proc/self/{name}").read_text().splitlines())]
            for name in ("uid_map", "gid_map")]


@pytest.mark.parametrize("options", [(), ("--map=keep",), ("--map=root",)])
def test_root_has_all_ids(rootful_world, options):
    who, uids, gids, setgroups, _ = ids(rootful_world, *options)
    assert who == (0, 0)
    assert [uids, gids] == outside_maps()
    assert setgroups == "allow"


@pytest.mark.parametrize("options", [(), ("--map=keep",)])
def test_user_keeps_the_own_id(rootless_world, options):
    own = [(w.USER, w.USER, 1)]
    assert ids(rootless_world, *options) == ((w.USER, w.USER), own, own, "deny", "")


def grant_subids(world, programs=True):
    """Give the ordinary user an account, and with it ranges of subordinate ids."""
    lines = {"passwd": f"{NEWUIDMAP_USER}:x:{w.USER}:{w.USER}::/:/bin/sh\n",
             "subuid": f"{NEWUIDMAP_USER}:{SUBIDS}\n", "subgid": f"{NEWUIDMAP_USER}:{SUBIDS}\n"}
    for name, line in lines.items():
        copy = world.tmp / name
        kept = pathlib.Path("/etc", name).read_text() if name == "passwd" else ""
        copy.write_text(kept + line)
        world.host.run("mount", "--bind", copy, f"/etc/{name}")
    if not programs:
        hide_programs(world)


def hide_programs(world):
    for name in ("newuidmap", "newgidmap"):
        world.host.run("mount", "--bind", "/dev/null", f"/usr/bin/{name}")


def test_user_as_root_with_subordinate_ids(rootless_world):
    grant_subids(rootless_world)
    both = [(0, w.USER, 1), (1, 200000, 65536)]
    assert ids(rootless_world, "--map=root") == ((0, 0), both, both, "allow", "")


def test_user_as_root_without_the_programs(rootless_world):
    grant_subids(rootless_world, programs=False)
    who, uids, gids, setgroups, err = ids(rootless_world, "--map=root", check=False)
    assert (who, uids, gids) == ((0, 0), [(0, w.USER, 1)], [(0, w.USER, 1)])
    assert setgroups == "deny"
    assert "not installed" in err and "\nfix: " in err and "uidmap" in err


def test_user_as_root_without_ranges(rootless_world):
    who, uids, gids, _, err = ids(rootless_world, "--map=root", check=False)
    assert (who, uids, gids) == ((0, 0), [(0, w.USER, 1)], [(0, w.USER, 1)])
    assert "/etc/subuid" in err and "\nfix: sudo usermod --add-subuids " in err


@pytest.mark.parametrize("options", [(), ("--map=root",)])
def test_files_belong_to_the_caller(world, options):
    path = world.tmp / "made"
    run(world, "touch", path, options=options, check=False)
    owner = w.USER if world.rootless else 0
    assert (path.stat().st_uid, path.stat().st_gid) == (owner, owner)


def test_user_keeps_no_capability(rootless_world):
    status = run(rootless_world, "cat", "/proc/self/status").stdout
    assert "CapEff:\t0000000000000000\n" in status


# --- what CMD inherits ---


def test_streams_directory_and_environment(world):
    script = 'cat; echo "$1 $GREETING" >&2; pwd'
    env = runs.environment(world, GREETING="hello")
    done = world.host.run("env", "-C", world.tmp, *world.as_user(),
                          *runs.command("sh", "-c", script, "sh", "two  words"), env=env,
                          input="in\n")
    assert (done.stdout, done.stderr) == (f"in\n{world.tmp}\n", "two  words hello\n")


def test_only_the_streams_are_inherited(world):
    with probes.pipe() as (reader, writer):
        done = run(world, "sh", "-c", "ls /proc/$$/fd", pass_fds=[reader, writer])
    assert done.stdout.split() == ["0", "1", "2"]


def test_options_of_the_command_are_its_own(world):
    done = world.host.run(*world.as_user(), w.binary(), "run", "echo", "--help", "-p",
                          env=runs.environment(world))
    assert done.stdout == "--help -p\n"


@pytest.mark.parametrize("disposition, ignored", [(signal.SIG_IGN, True), (signal.SIG_DFL, False)])
def test_signals_are_as_the_caller_had_them(world, disposition, ignored):
    number = signal.SIGPIPE

    def set_signal():
        signal.signal(number, disposition)
    done = run(world, "grep", "^Sig[BI]", "/proc/self/status", preexec_fn=set_signal,
               restore_signals=False)
    masks = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert bool(int(masks["SigIgn"], 16) >> (number - 1) & 1) == ignored
    assert int(masks["SigBlk"], 16) == 0


def test_limit_of_open_files_is_the_callers(world):
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (777, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    assert run(world, "sh", "-c", "ulimit -n", preexec_fn=lower).stdout == "777\n"


def test_hostname(world):
    outside = world.host.run("uname", "-n").stdout
    assert run(world, "uname", "-n").stdout == outside
    done = run(world, "sh", "-c", "uname -n; getent hosts inner.test",
               options=["--hostname=inner.test"])
    lines = done.stdout.splitlines()
    assert lines[0] == "inner.test" and lines[1].split()[1] == "inner.test"
    assert world.host.run("uname", "-n").stdout == outside


def test_it_may_serve_at_any_port(world):
    done = run(world, "sh", "-c", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    assert done.stdout == "0\n"


# --- who ends with whom ---


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("user", "net", "mnt")}


def test_namespaces_are_new(world):
    with runs.Running(world, *WAIT_FOR_INPUT, ready_line="up") as running:
        ours, theirs = namespaces(running.pid), namespaces(running.cmd)
        assert all(ours[name] != theirs[name] for name in ours)
        assert running.process.communicate("\n", timeout=w.DEADLINE_S) == ("", "")
        assert running.process.returncode == 0
    runs.wait_all_gone(world)


def test_the_engine_is_in_a_session_of_its_own(world):
    with runs.Running(world, *WAIT_FOR_INPUT, ready_line="up") as running:
        assert os.getsid(running.engine) == running.engine
        assert os.getpgid(running.cmd) == os.getpgid(running.pid)


def test_the_engine_holds_nothing_of_the_callers(world):
    """Or whoever waits for the end of a pipe would wait for that of the network."""
    with probes.pipe() as (_, writer):
        with runs.Running(world, *WAIT_FOR_INPUT, ready_line="up", pass_fds=[writer]) as running:
            assert running.engine not in probes.holders(writer)
            for stream in (0, 1):
                assert os.readlink(f"/proc/{running.engine}/fd/{stream}") == "/dev/null"


def test_the_command_dies_with_us(world):
    with runs.Running(world, *WAIT_FOR_INPUT, ready_line="up") as running:
        running.process.send_signal(signal.SIGKILL)
        runs.wait_gone(running.cmd)
        runs.wait_gone(running.engine)
    runs.wait_all_gone(world)


def test_the_command_dies_with_the_network(world):
    with runs.Running(world, *WAIT_FOR_INPUT, ready_line="up") as running:
        os.kill(running.engine, signal.SIGKILL)
        status, out, err = running.end()
        assert (status, out) == (125, "")
        assert err == "the network has ended\n"
        runs.wait_gone(running.cmd)
    runs.wait_all_gone(world)


def test_the_network_ends_with_the_command(world):
    """Also when a child of CMD lives on, with all that CMD had."""
    with probes.pipe() as (reader, writer):
        script = "exec 3<&0; cat <&3 >/dev/null 2>&1 & echo $!; exit 3"
        done = run(world, "sh", "-c", script, check=False, stdin=reader)
        child = int(done.stdout)
        try:
            assert done.returncode == 3
            assert not runs.gates_in(world)
            assert probes.status(child)["State"][0] != "Z"
        finally:
            os.close(writer)
            os.close(reader)
    runs.wait_gone(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_is_passed_on(world, number):
    script = f"trap 'echo got; exit 9' {number.name[3:]}; echo up; while :; do read line; done"
    with runs.Running(world, "sh", "-c", script, ready_line="up") as running:
        running.process.send_signal(number)
        assert running.end() == (9, "got\n", "")
    runs.wait_all_gone(world)

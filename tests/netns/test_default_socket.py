"""The API socket that run and attach make without being asked: where, for whom, until when."""
import os
import signal
import stat

import pytest

import runs
import world as w

UNTIL_INPUT = ("sh", "-c", "echo up; read line")


def start(world, *options):
    return runs.Running(world, *UNTIL_INPUT, options=options, ready_line="up")


def place(world, name):
    return world.tmp / "xdg" / "gate4netns" / f"{name}.sock"


def ctl(world, *words, check=True):
    done = world.host.run(*world.as_user(), w.binary(), "ctl", *words, check=False,
                          env=runs.environment(world))
    assert not check or (done.returncode, done.stderr) == (0, "")
    return done


def files(world):
    folder = place(world, "x").parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_place_and_mode(world):
    """Its own process id, for nobody but its user, whatever the umask."""
    before = os.umask(0)
    try:
        network = start(world)
    finally:
        os.umask(before)
    with network:
        sock = place(world, network.pid)
        assert files(world) == [sock.name]
        assert stat.S_IMODE(sock.stat().st_mode) == 0o600
        assert stat.S_IMODE(sock.parent.stat().st_mode) == 0o700
        assert "ports.forwards" in ctl(world, "stats").stdout
        assert "ports.forwards" in ctl(world, str(network.pid), "stats").stdout
    runs.wait_all_gone(world)
    assert files(world) == []


def test_names(world):
    """A name that is in use is not taken away; one that was left behind is."""
    with start(world, "--name=web") as first:
        assert files(world) == ["web.sock"]
        ctl(world, "web", "stats")
        second = runs.run(world, "echo", "ran", options=["--name=web"], check=False)
        assert (second.returncode, second.stdout) == (125, "")
        assert f"API socket '{place(world, 'web')}': it is in use" in second.stderr
        ctl(world, "web", "stats")
        assert first.process.poll() is None
    runs.wait_all_gone(world)
    with start(world, "--name=web", "--sandbox=off") as unguarded:
        os.kill(unguarded.pid, signal.SIGSTOP)
        os.kill(unguarded.engine, signal.SIGKILL)
        os.kill(unguarded.pid, signal.SIGKILL)
        unguarded.end()
    assert files(world) == ["web.sock"]         # nobody was left who could remove it
    assert "no network is running" in ctl(world, "stats", check=False).stderr
    with start(world, "--name=web"):
        ctl(world, "web", "stats")


@pytest.mark.parametrize("whom", ["pid", "cmd", "engine"])
def test_removed_after_a_kill(world, whom):
    with start(world, "--name=web") as network:
        os.kill(getattr(network, whom), signal.SIGKILL)
        network.end()
        w.wait_until(lambda: not files(world), "the removal of the socket")


def test_none(world):
    with start(world, "--api-socket=none"):
        assert files(world) == []


def test_elsewhere(world):
    path = world.tmp / "xdg" / "own.sock"
    runs.environment(world)
    with start(world, f"--api-socket={path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        ctl(world, str(path), "stats")
        assert files(world) == []


@pytest.mark.parametrize("wrong", ["mode", "owner"])
def test_directory_of_a_stranger(world, wrong):
    """The network goes without, and says so."""
    folder = place(world, "x").parent
    runs.environment(world)
    folder.mkdir(mode=0o700)
    os.chown(folder, 4711 if wrong == "owner" else world.rootless * w.USER, 4711)
    if wrong == "mode":
        folder.chmod(0o770)
    done = runs.run(world, "echo", "ran", check=False)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith("no API socket: ") and done.stderr.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_no_place(rootless_world):
    """The network goes without, and says so to those who want one."""
    environment = {key: value for key, value in os.environ.items() if key != "XDG_RUNTIME_DIR"}
    done = runs.run(rootless_world, "echo", "ran", env=environment)
    assert (done.stdout, done.stderr) == ("ran\n", "")
    done = runs.run(rootless_world, "echo", "ran", options=["--name=web"], check=False,
                    env=environment)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith("no API socket: ") and done.stderr.count("\n") == 1

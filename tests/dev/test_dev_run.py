"""./dev run is gate4netns run, in the caller's directory, of what has been built."""
import pathlib

import pytest
import runs
import world as w

DEV = pathlib.Path(__file__).resolve().parents[2] / "dev"


def dev_run(world, *argv, directory="/", options=(), **kw):
    """./dev run in the host namespace of the world, as its caller; checks that nothing is left."""
    done = world.host.run("env", "-C", directory, *world.as_user(), DEV, "run", *options, "--", *argv,
                          env=dict(runs.environment(world), GATE4NETNS=w.binary()), check=False,
                          **kw)
    assert not runs.gates_in(world)
    return done


def test_the_command_has_network(world):
    done = dev_run(world, "sh", "-c", "ip -br address show tap0; ping -c 1 -W 5 10.0.2.2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10.0.2.100/24" in done.stdout and " 0% packet loss" in done.stdout


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_its_status_is_ours(world, script, status):
    assert dev_run(world, "sh", "-c", script).returncode == status


def test_streams_arguments_and_directory_are_the_callers(world):
    done = dev_run(world, "sh", "-c", 'cat; echo "$1" >&2; pwd', "sh", "two  words", input="in\n",
                   directory=world.tmp)
    assert done.stdout == f"in\n{world.tmp}\n"
    assert done.stderr == "two  words\n"


def test_its_options_are_those_of_run(world):
    done = dev_run(world, "uname", "-n", options=["--hostname=inner"])
    assert (done.returncode, done.stdout) == (0, "inner\n")

"""gate4netns run inside a container of podman: as root of it, with /dev/net/tun and nothing more."""
import pytest

import callers as c
import world as w

INSIDE = "/gate4netns"


def options(*more):
    return (f"--volume={w.binary()}:{INSIDE}:ro", "--device=/dev/net/tun", *more)


def run_inside(podman, *argv, more=(), check=True):
    return podman.run(INSIDE, "run", "--api-socket=none", "--", *argv, options=options(*more),
                      check=check)


def test_it_has_network_and_names(podman):
    ask = [c.PYTHON, "/whoami.py", "ask", "tcp", w.INET4, c.PORT]
    assert run_inside(podman, *ask).stdout.split()[-1] == w.HOST4
    done = run_inside(podman, "cat", "/etc/resolv.conf")
    assert f"nameserver {w.DNS4}" in done.stdout


@pytest.mark.parametrize("map_option", ["keep", "root"])
def test_it_is_root_with_all_ids_of_the_container(podman, map_option):
    outer = podman.run("cat", "/proc/self/uid_map").stdout.split()
    inner = podman.run(INSIDE, "run", "--api-socket=none", f"--map={map_option}", "--", "cat",
                       "/proc/self/uid_map", options=options()).stdout.split()
    assert inner == [number for inside, count in zip(outer[::3], outer[2::3])
                     for number in (inside, inside, count)]


def test_without_the_device_it_says_so(podman):
    done = podman.run(INSIDE, "run", "--api-socket=none", "--", "true", check=False,
                      options=[f"--volume={w.binary()}:{INSIDE}:ro"])
    assert done.returncode == 125
    assert "fix: start the container with --device=/dev/net/tun" in done.stderr

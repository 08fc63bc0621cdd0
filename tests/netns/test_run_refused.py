"""gate4netns run where the machine refuses something: what, why, and what helps."""
import os

import pytest

import runs
from runs import run

# CMD becomes a program under a seccomp filter that answers unshare(2) with EPERM, as docker's does
FILTERED = """import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
NR_UNSHARE = {"x86_64": 272, "aarch64": 97}[os.uname().machine]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, NR_UNSHARE), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
program = Program(len(steps), code)
assert libc.prctl(38, 1, 0, 0, 0) == 0                      # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(program)) == 0        # PR_SET_SECCOMP, a filter
os.execv(sys.argv[1], sys.argv[1:])
"""


def refusal(done):
    """The two lines of one that is told apart; CMD has not run."""
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    why, fix, *rest = done.stderr.splitlines()
    assert not rest and fix.startswith("fix: "), done.stderr
    return why, fix[len("fix: "):]


def cover(world, path, mode):
    """Put something else in the place of a file of the host's."""
    cover_file = world.tmp / "cover"
    cover_file.touch()
    cover_file.chmod(mode)
    world.host.run("mount", "--bind", cover_file, path)


def test_a_closed_device(rootless_world):
    cover(rootless_world, "/dev/net/tun", 0o600)
    why, fix = refusal(run(rootless_world, "echo", "ran", check=False))
    assert "/dev/net/tun is not open to " in why and fix == "sudo chmod 0666 /dev/net/tun"


def test_a_device_that_is_none(world):
    cover(world, "/dev/net/tun", 0o666)
    why, fix = refusal(run(world, "echo", "ran", check=False))
    assert "is not the TUN device" in why and "mknod" in fix


@pytest.mark.parametrize("in_container", [False, True])
def test_no_device(world, in_container):
    world.host.run("mount", "-t", "tmpfs", "tmpfs", "/dev/net")
    env = runs.environment(world, **({"container": "podman"} if in_container else {}))
    why, fix = refusal(run(world, "echo", "ran", check=False, env=env))
    assert "No such file or directory" in why
    if in_container or os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        assert fix == "start the container with --device=/dev/net/tun"
    else:
        assert fix == "sudo modprobe tun"


@pytest.mark.parametrize("name, of", [("user", "user.max_user_namespaces is 0"),
                                      ("net", "user.max_net_namespaces is 0"),
                                      ("mnt", "user.max_mnt_namespaces is 0")])
def test_a_limit_of_namespaces(rootless_world, name, of):
    """It is of a user namespace, and what is inside counts too."""
    world = rootless_world
    container = world.new_user_namespace()
    inside = [*world.as_user(), "nsenter", f"--target={container.pid}", "--user", "--mount",
              "--preserve-credentials", "--"]
    world.host.run(*inside, "sh", "-c", f"echo 0 >/proc/sys/user/max_{name}_namespaces")
    done = world.host.run(*inside, *runs.command("echo", "ran"), env=runs.environment(world),
                          check=False)
    why, fix = refusal(done)
    assert of in why and fix == f"sudo sysctl -w user.max_{name}_namespaces=15000"


def test_a_filter_of_an_outer_sandbox(world):
    done = world.host.run(*world.as_user(), "/usr/bin/python3", "-c", FILTERED,
                          *runs.command("echo", "ran"), env=runs.environment(world), check=False)
    why, fix = refusal(done)
    assert "seccomp filter" in why and "--security-opt=seccomp=unconfined" in fix


def test_a_chroot(rootful_world):
    """The kernel makes no user namespace in one (user_namespaces(7), EPERM)."""
    world = rootful_world
    jail = world.tmp / "jail"
    jail.mkdir()
    script = """for folder in bin lib lib64 usr proc dev etc; do
        mkdir "$0/$folder" && mount --rbind "/$folder" "$0/$folder"
    done
    cp "$1" "$0/program" && shift && exec chroot "$0" /program "$@\""""
    program, *rest = runs.command("echo", "ran", options=["--api-socket=none"])
    done = world.host.run("sh", "-c", script, jail, program, *rest, env=runs.environment(world),
                          check=False)
    why, fix = refusal(done)
    assert "chroot" in why and "pivot_root" in fix


def test_no_proc(world):
    world.host.run("mount", "-t", "tmpfs", "tmpfs", "/proc")
    done = run(world, "echo", "ran", check=False)
    why, fix = refusal(done)
    assert "cannot map ids" in why and fix == "sudo mount -t proc proc /proc"


def test_root_without_capabilities(rootful_world):
    """As a container that was started with --cap-drop=ALL has it."""
    world = rootful_world
    done = world.host.run("setpriv", "--bounding-set=-setfcap", "--inh-caps=-setfcap", "--",
                          *runs.command("echo", "ran"), env=runs.environment(world), check=False)
    why, fix = refusal(done)
    assert "CAP_SETFCAP" in why and "--cap-add=" in fix



def with_limit(world, limit, *argv):
    return world.host.run(*world.as_user(), "sh", "-c", f'ulimit {limit}; exec "$@"', "sh",
                          *runs.command(*argv), env=runs.environment(world), check=False)


def test_a_soft_limit_of_open_files(world):
    """It is CMD's, and none of ours."""
    assert with_limit(world, "-Sn 4", "sh", "-c", "ulimit -n").stdout == "4\n"


@pytest.mark.parametrize("limit", range(4, 16))
def test_a_hard_limit_of_open_files(world, limit):
    """One line says what was refused; nothing hangs, and nothing is left."""
    done = with_limit(world, f"-n {limit}", "echo", "ran")
    if done.returncode == 0:
        assert done.stdout == "ran\n"
        return
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.count("\n") == 1 and "Too many open files" in done.stderr
    runs.wait_all_gone(world)


def test_no_file_may_be_written(world):
    done = with_limit(world, "-f 0", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert "File too large" in done.stderr


def test_a_link_that_leads_nowhere(world):
    etc = world.tmp / "etc"
    etc.mkdir()
    (etc / "resolv.conf").symlink_to("../nowhere/resolv.conf")
    world.host.run("umount", "/etc/resolv.conf")
    world.host.run("mount", "--bind", etc, "/etc")
    why, fix = refusal(run(world, "echo", "ran", check=False))
    assert "leads nowhere" in why
    assert fix == "sudo rm /etc/resolv.conf && sudo touch /etc/resolv.conf"

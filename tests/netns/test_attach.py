"""gate4netns attach: our own dialect for a namespace that exists, or that will."""
import contextlib
import os
import signal
import socket
import subprocess

import pytest

import peers
import probes
import world as w


def assert_serves(world):
    probes.serve_inet(world, w.INET4)
    probes.assert_works(world)


@contextlib.contextmanager
def opened(kind, pid):
    """A descriptor that names the namespace of a process."""
    fd = os.pidfd_open(pid) if kind == "pidfd" else os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def bound(world, pid, path):
    path.touch()
    world.host.run("mount", "--bind", f"/proc/{pid}/ns/net", path)
    return path


# --- every name of a namespace ---


@pytest.mark.parametrize("kind", ["pid", "path", "bound"])
def test_pid_and_path(world, kind):
    """A path as well for an ordinary user: who owns the network namespace is found out."""
    pid = world.guest.pid
    target = {"pid": lambda: pid, "path": lambda: f"/proc/{pid}/ns/net",
              "bound": lambda: bound(world, pid, world.tmp / "netns")}[kind]()
    world.attach(target)
    assert_serves(world)


@pytest.mark.parametrize("kind", ["netns", "pidfd"])
def test_descriptor(world, kind):
    with opened(kind, world.guest.pid) as fd:
        world.attach(f"fd:{fd}", extra_fds=[fd])
    assert_serves(world)


def test_descriptor_of_a_tap(world):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        maker = world.guest.popen(*probes.program(world, peers.make_tap), "tap0", theirs.fileno(),
                                  pass_fds=[theirs.fileno()])
        _, (tap,), _, _ = socket.recv_fds(ours, 16, 1)
        assert maker.wait(w.DEADLINE_S) == 0
    world.attach(f"fd:{tap}", extra_fds=[tap])
    os.close(tap)
    for args in (("addr", "add", f"{w.GUEST4}/24", "dev", "tap0"), ("link", "set", "tap0", "up"),
                 ("route", "add", "default", "via", w.GATEWAY4)):
        world.guest.run("ip", *args)
    assert_serves(world)


def test_user_namespace_by_path(rootless_world):
    pid = rootless_world.guest.pid
    rootless_world.attach(f"--userns-path=/proc/{pid}/ns/user", f"/proc/{pid}/ns/net")
    assert_serves(rootless_world)


# --- what is on without being asked for ---


def test_configured_sandboxed_and_filtered(world):
    gate = world.attach(world.guest.pid)
    address, = world.guest.ip("addr", "show", "tap0")
    assert w.GUEST4 in [a["local"] for a in address["addr_info"]]
    assert probes.status(gate.pid)["Seccomp"] == "2"
    assert os.listdir(f"/proc/{gate.pid}/root") == ["etc"]
    assert probes.status(gate.pid)["NoNewPrivs"] == "1"


def test_not_configured(world):
    world.attach("--configure=off", world.guest.pid)
    assert world.guest.ip("link", "show", "tap0")[0]["operstate"] == "DOWN"


@pytest.mark.parametrize("args", [(), ("1", "2"), ("--link=stream:/x", "1"), ("--tap-from=3", "1"),
                                  ("--exit-with", "--tap-from=3"), ("--exit-with", "/proc/1/ns/net"),
                                  ("--exit-with", "fd:0"), ("fd:0",), ("fd:-1",), ("0",),
                                  ("/no/such/path",), ("999999999",)])
def test_refused(rootful_world, args):
    """One line, nothing started."""
    done = subprocess.run([*rootful_world.as_caller(), w.binary(), "attach", "--api-socket=none", *args],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=w.DEADLINE_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("kind", ["pid", "path", "descriptor"])
def test_our_own_namespace_is_refused(world, kind):
    """A TAP there would take away the way out of the host."""
    pid = world.host.pid
    with opened("netns", pid) as fd:
        target = {"pid": pid, "path": f"/proc/{pid}/ns/net", "descriptor": f"fd:{fd}"}[kind]
        done = subprocess.run([*world.as_caller(), w.binary(), "attach", "--api-socket=none", str(target)],
                              capture_output=True, text=True, pass_fds=[fd], timeout=w.DEADLINE_S)
    assert (done.returncode, done.stdout) == (1, "")
    if not world.rootless:      # who may not even look at that process is told so
        assert done.stderr == "that is our own network namespace (--wait waits until it is not)\n"
    assert not world.host.run("ip", "link", "show", "tap0", check=False).returncode == 0


def test_a_tap_that_may_not_be_made(rootless_world):
    """Said with what helps, as run says it."""
    rootless_world.host.run("chmod", "0600", "/dev/net/tun")
    done = subprocess.run([*rootless_world.as_caller(), w.binary(), "attach", "--api-socket=none",
                           str(rootless_world.guest.pid)],
                          capture_output=True, text=True, timeout=w.DEADLINE_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("\nfix: sudo chmod 0666 /dev/net/tun\n") and done.stderr.count("\n") == 2


# --- --wait ---


def assert_waits(gate):
    """It looks for a third time, and has said nothing."""
    looked = probes.status(gate.pid)["voluntary_ctxt_switches"]
    w.wait_until(lambda: int(probes.status(gate.pid)["voluntary_ctxt_switches"]) > int(looked) + 2,
                 "another look")
    assert gate.process.poll() is None and gate.stderr() == ""


@pytest.mark.parametrize("before", ["nothing", "file"])
def test_wait_for_a_path(world, before):
    """As ip-netns(8) does: a file comes first, and is then mounted on."""
    path = world.tmp / "later"
    if before == "file":
        path.touch()
    gate = world.attach("--wait", path, wait=False)
    assert_waits(gate)
    bound(world, world.guest.pid, path)
    gate.wait_ready()
    assert_serves(world)


@contextlib.contextmanager
def launcher(world):
    """A process that is in our network namespace until it reads a line."""
    flags = ["--user", "--map-root-user"] if world.rootless else []
    command = ["sh", "-c", 'read go; exec unshare "$@" --net cat', "sh", *flags]
    process = subprocess.Popen([*world.as_caller(), *command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_wait_for_a_process(world):
    with launcher(world) as process:
        gate = world.attach("--wait", process.pid, wait=False)
        assert_waits(gate)
        assert "tap0" not in [link["ifname"] for link in world.host.ip("link")]
        process.stdin.write(b"go\n")
        process.stdin.flush()
        gate.wait_ready()
        assert "tap0" not in [link["ifname"] for link in world.host.ip("link")]
        flags = ["--user", "--preserve-credentials"] if world.rootless else []
        assert b"tap0" in subprocess.check_output(["nsenter", f"--target={process.pid}", "--net",
                                                   *flags, "ip", "link"])


def test_wait_for_the_ids_of_a_process(rootless_world):
    """Of a new user namespace; newuidmap(1) writes them a while after it is made."""
    world = rootless_world
    with contextlib.closing(w.Namespace([*world.as_user(), "unshare", "--user", "--net"],
                                        inside=world.host)) as guest:
        gate = world.attach("--wait", guest.pid, wait=False)
        assert_waits(gate)
        for name in "uid_map", "gid_map":
            assert_waits(gate)
            with open(f"/proc/{guest.pid}/{name}", "w", encoding="ascii") as ids:
                ids.write(f"0 {w.USER} 1")
        gate.wait_ready()


def test_process_that_is_waited_for_ends(world):
    with launcher(world) as process:
        gate = world.attach("--wait", process.pid, wait=False)
        assert_waits(gate)
        process.kill()
        process.wait()
        assert gate.wait() == 1
        assert gate.stderr().startswith(f"/proc/{process.pid}/ns/net: ")


@pytest.mark.parametrize("end", ["exit-fd", "SIGTERM"])
def test_end_while_it_waits(world, end):
    gate = world.attach("--wait", world.tmp / "never", wait=False)
    assert_waits(gate)
    if end == "exit-fd":
        assert gate.stop() == 0
    else:
        gate.process.send_signal(signal.SIGTERM)
        assert gate.wait() == -signal.SIGTERM


# --- --exit-with ---


@pytest.mark.parametrize("kind", ["pid", "pidfd"])
def test_exit_with_the_process(world, kind):
    """It is the process that counts: another one holds the namespace."""
    with opened("pidfd", world.guest.pid) as fd:
        target, fds = (f"fd:{fd}", [fd]) if kind == "pidfd" else (world.guest.pid, [])
        gate = world.attach("--exit-with", target, extra_fds=fds)
    other = world.guest.popen("cat", stdin=subprocess.PIPE)
    try:
        assert_serves(world)
        world.guest.close()
        assert gate.wait() == 0
    finally:
        other.communicate()


def test_without_exit_with_the_process_may_end(world):
    gate = world.attach(world.guest.pid)
    other = world.guest.popen("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdin.write(b"there\n")
        other.stdin.flush()
        assert other.stdout.readline() == b"there\n"
        world.guest.close()
        probes.assert_idle(gate.pid)
        assert gate.process.poll() is None
    finally:
        other.communicate()


# --- the API socket ---


def test_default_socket(world):
    runtime = world.tmp / "runtime"
    runtime.mkdir(0o700)
    if world.rootless:
        os.chown(runtime, w.USER, w.USER)
    gate = world.start("--name=blue", world.guest.pid, command=["attach"],
                       env=dict(os.environ, XDG_RUNTIME_DIR=str(runtime)))
    sock = runtime / "gate4netns" / "blue.sock"
    assert (sock.stat().st_mode & 0o777, sock.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert w.api(sock, "list_hostfwd")["entries"] == []
    assert gate.stop() == 0
    assert not sock.exists()

"""Every way to end, and what must be gone afterwards; the descriptors that callers watch."""
import os
import pathlib
import signal
import socket

import pytest

import probes
import world as w
from probes import CONFINED

ENDING_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def assert_gone(world, before):
    """No process of the start is left; one that only tidies up may take a moment."""
    w.wait_until(lambda: probes.processes(world) <= before, "all processes to end")


@pytest.mark.parametrize("number", ENDING_SIGNALS, ids=lambda s: s.name)
def test_signal_removes_the_socket(world, sock, confinement, number):
    before = probes.processes(world)
    gate = world.start_tap("-a", sock, *confinement)
    gate.process.send_signal(number)
    assert gate.wait() == -number
    assert not sock.exists()
    assert_gone(world, before)


@pytest.mark.parametrize("end", ["exit-fd", "tap"])
def test_other_ends_remove_the_socket(world, sock, confinement, end):
    gate = world.start_tap("-a", sock, *confinement)
    if end == "exit-fd":
        assert gate.stop() == 0
    else:
        world.guest.run("ip", "link", "del", "tap0")
        assert gate.wait() == 1
    assert not sock.exists()


def test_kill_leaves_no_process(world, sock, confinement):
    before = probes.processes(world)
    gate = world.start_tap("-a", sock, *confinement)
    gate.process.kill()
    assert gate.wait() == -signal.SIGKILL
    assert_gone(world, before)


def test_everything_stays_in_the_callers_process_group(world, confinement):
    """Callers signal the group: nothing that we start may leave it."""
    gate = world.start_tap(*confinement)
    started = {pid for pid in probes.processes(world) if parent(pid) == gate.pid} | {gate.pid}
    assert {os.getpgid(pid) for pid in started} == {os.getpgid(0)}


def parent(pid):
    return int(probes.status(pid)["PPid"])


# --- the API socket's file ---


def test_regular_file_at_the_path_is_kept(world, sock):
    sock.write_text("precious")
    gate = world.start_tap("-a", sock, *CONFINED, wait=False)
    assert gate.wait() == 1
    assert len(probes.errors(gate)) == 1, gate.stderr()
    assert os.read(gate.ready_r, 1) == b""
    assert sock.read_text() == "precious"


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo"])
def test_other_files_at_the_path_are_kept(world, sock, kind):
    {"directory": os.mkdir, "fifo": os.mkfifo,
     "symlink": lambda path: os.symlink(world.resolv_conf, path)}[kind](sock)
    before = os.lstat(sock)
    gate = world.start_tap("-a", sock, wait=False)
    assert gate.wait() == 1
    assert (os.lstat(sock).st_ino, world.resolv_conf.exists()) == (before.st_ino, True)


def test_stale_socket_is_replaced(world, sock):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(sock))
        if world.rootless:
            os.chown(sock, w.USER, w.USER)
    world.start_tap("-a", sock, *CONFINED)
    assert w.api(sock, "list_hostfwd")["entries"] == []


@pytest.mark.parametrize("end", ["exit-fd", "SIGTERM"])
def test_socket_of_another_owner_is_kept(world, sock, confinement, end):
    gate = world.start_tap("-a", sock, *confinement)
    sock.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(sock))
        inode = sock.stat().st_ino
        if end == "SIGTERM":
            gate.process.send_signal(signal.SIGTERM)
            assert gate.wait() == -signal.SIGTERM
        else:
            assert gate.stop() == 0
        assert sock.stat().st_ino == inode


def test_socket_that_is_already_gone(world, sock):
    gate = world.start_tap("-a", sock, *CONFINED)
    sock.unlink()
    assert gate.stop() == 0


# --- ready-fd and exit-fd ---


def test_ready_byte_comes_last(world, sock, confinement):
    """When the byte arrives the API answers and the guest is configured."""
    for _ in range(5):
        guest = world.new_guest()
        gate = world.start("-c", "-a", sock, *confinement, guest.pid, "tap0")
        assert w.api(sock, "list_hostfwd")["entries"] == []
        assert guest.ip("route", "show", "default")[0]["gateway"] == w.GATEWAY4
        assert os.read(gate.ready_r, 1) == b"", "one byte, then the end"
        assert gate.stop() == 0


def test_ready_fd_may_be_a_regular_file(world):
    path = world.tmp / "ready"
    with path.open("wb") as file:
        world.start_tap("-r", file.fileno(), ready=False, extra_fds=[file.fileno()])
        w.wait_until(lambda: path.read_bytes() == b"1", "the byte in the file")


def test_reader_of_the_ready_byte_is_gone(world):
    with probes.pipe() as (reader, writer):
        os.close(reader)
        gate = world.start_tap("-r", writer, *CONFINED, ready=False, extra_fds=[writer])
        w.wait_until(lambda: not world.guest.run("ping", "-c1", "-W1", w.GATEWAY4,
                                                 check=False).returncode, "an answer to a ping")
    assert gate.stop() == 0


def test_data_on_the_exit_fd_does_not_end(world):
    gate = world.start_tap(*CONFINED)
    os.write(gate.exit_w, b"still here")
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    assert gate.process.poll() is None
    probes.assert_idle(gate.pid)
    assert gate.stop() == 0


def test_end_during_the_start(world, confinement):
    """The exit-fd hangs up before anything has begun: a clean end, whatever had been reached."""
    before = probes.processes(world)
    gate = world.start_tap(*confinement, wait=False)
    assert gate.stop() == 0
    assert_gone(world, before)
    assert len(world.guest.ip("link")) == 1


# --- descriptors that the caller watches ---


def test_inherited_descriptor_tells_of_our_death_only(world, confinement):
    with probes.pipe() as (reader, writer):
        gate = world.start_tap(*confinement, extra_fds=[writer])
        os.close(writer)
        assert probes.holders(reader) == {gate.pid}
        gate.process.kill()
        assert probes.wait_eof(reader) == b""


def test_no_helper_holds_the_standard_streams(world, confinement):
    """A caller that reads our output to its end gets the end when we end, not later."""
    with probes.pipe() as (ready_r, ready_w):
        gate = world.spawn(world.host, *world.as_user(), w.binary(), "-r", ready_w, "-c",
                           *confinement, world.guest.pid, "tap0", pass_fds=[ready_w])
        os.close(ready_w)
        assert os.read(ready_r, 1) == b"1"
        assert probes.holders(gate.stdout.fileno()) == {gate.pid}
        gate.kill()
        probes.wait_eof(gate.stdout.fileno())


def test_own_descriptors_are_close_on_exec(world, sock):
    """What is not, is what the caller gave: the streams, the exit-fd, and one more."""
    with probes.pipe() as (_, writer):
        gate = world.start_tap("-a", sock, *CONFINED, extra_fds=[writer])
        assert os.read(gate.ready_r, 1) == b""      # the ready-fd has been closed
        exit_fd = int(gate.argv[gate.argv.index("-e") + 1])
        assert passed_on(gate.pid) == {0, 1, 2, exit_fd, writer}


def passed_on(pid):
    """The descriptors that an exec would keep."""
    numbers = [int(n) for n in os.listdir(f"/proc/{pid}/fd")]
    return {n for n in numbers if not descriptor_flags(pid, n) & os.O_CLOEXEC}


def descriptor_flags(pid, number):
    with open(f"/proc/{pid}/fdinfo/{number}") as info:
        return int(info.read().split("flags:")[1].split()[0], 8)


def keeper_of(gate):
    children = pathlib.Path(f"/proc/{gate.pid}/task/{gate.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


@pytest.mark.parametrize("number", ENDING_SIGNALS, ids=lambda s: s.name)
def test_signal_to_the_group_removes_the_socket(world, sock, number):
    """The keeper gets it too, and does its work all the same."""
    gate = world.start_tap("-a", sock, *CONFINED, user=[*world.as_user(), "setsid"])
    os.killpg(gate.pid, number)
    assert gate.wait() == -number
    assert not sock.exists()


def test_stopped_keeper_is_not_waited_for(rootless_world):
    gate = rootless_world.start_tap(*CONFINED)
    keeper = keeper_of(gate)
    os.kill(keeper, signal.SIGSTOP)
    gate.process.send_signal(signal.SIGTERM)
    assert gate.wait() == -signal.SIGTERM
    os.kill(keeper, signal.SIGCONT)


def test_ready_byte_to_stderr_leaves_stderr(rootful_world):
    """What is opened after the ready byte is not taken for stderr."""
    sock = rootful_world.tmp / "api.sock"
    gate = rootful_world.start_tap("-a", sock, "-r", "2", ready=False)
    w.wait_until(lambda: gate.stderr().endswith("1"), "the ready byte")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
        idle.connect(str(sock))
        refused = w.api(sock, "add_hostfwd", proto="tcp", host_addr="192.0.2.77", host_port=80,
                        guest_port=80)
        assert "error" in refused
        assert gate.stderr().splitlines()[-1].startswith("1api: add_hostfwd: ")
        idle.setblocking(False)
        with pytest.raises(BlockingIOError):
            idle.recv(1)


def test_sandbox_closes_inherited_directories(world):
    """A caller's pipe stays open, but no way into the host's file system does."""
    directory = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with probes.pipe() as (_, kept):
            gate = world.start_tap(*CONFINED, extra_fds=[directory, kept])
            held = set(map(int, os.listdir(f"/proc/{gate.pid}/fd")))
    finally:
        os.close(directory)
    assert kept in held and directory not in held

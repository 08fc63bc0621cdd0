"""--pcap: what crosses the link is in the file, and the file never disturbs the network."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

import frames
import pcapng
import peers
import probes
import world as w
from probes import CONFINED, PORT, peer
from test_bess import start as start_bess
from test_targets import take_tap

GATEWAY_MAC = bytes.fromhex("52550a000202")
MIB = 1 << 20


@pytest.fixture
def file(world):
    return world.tmp / "capture"


def read(file):
    return pcapng.read(file.read_bytes())


def ping(world, data="abcd"):
    """One echo request with these bytes, answered by the gateway."""
    world.guest.run("ping", "-c1", "-W5", "-s64", "-p", data, w.GATEWAY4)


def echoes(packets, data="abcd"):
    """The directions in which these bytes went."""
    return [p.direction for p in packets if bytes.fromhex(data) * 8 in p.frame]


def tcpdump(data, *expression):
    done = subprocess.run(["tcpdump", "-n", "-r", "-", *expression], input=data, timeout=w.DEADLINE_S,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def test_both_directions(world, file, stack, confinement):
    """TCP, UDP, ARP, by the addresses that tcpdump shows and by the direction of each frame."""
    probes.serve_inet(world, w.INET4)
    before_ns = time.time_ns()
    gate = world.start_tap(f"--pcap={file}", *confinement)
    probes.assert_works(world)
    assert peer(world, world.guest, peers.udp_echo, w.INET4, PORT, 100) == [100]
    assert gate.stop() == 0
    after_ns = time.time_ns()
    for proto in "tcp", "udp":
        for pair in f"src {w.GUEST4} and dst {w.INET4}", f"src {w.INET4} and dst {w.GUEST4}":
            assert tcpdump(file.read_bytes(), f"{proto} and {pair}"), f"{stack}: {proto} {pair}"
    assert tcpdump(file.read_bytes(), "arp")
    name, packets = read(file)
    assert name == "tap0"
    assert all(before_ns <= p.time_ns <= after_ns for p in packets)
    for p in packets:
        assert p.direction == ("to-guest" if p.frame[6:12] == GATEWAY_MAC else "from-guest")
    sent = b"".join(p.frame for p in packets if p.direction == "from-guest")
    assert next(peers.stream(1 << 16))[-500:] in sent
    assert file.stat().st_mode & 0o777 == 0o600
    assert probes.errors(gate) == ["exitfd event"]


@pytest.mark.parametrize("chosen,other", [("native", "slirp"), ("slirp", "native")])
def test_stack_is_chosen_by_the_option(world, file, monkeypatch, chosen, other):
    """Only our own TCP makes large segments at this MTU; a capture has them as they cross."""
    monkeypatch.setenv("GATE4NETNS_TCP", other)
    probes.serve_inet(world, w.INET4)
    world.start_tap(f"--tcp={chosen}", f"--pcap={file}", *CONFINED)
    size = 4 * MIB
    assert peer(world, world.guest, peers.upload, w.INET4, PORT, size) == peers.stream_digest(size)
    assert peer(world, world.guest, peers.download, w.INET4, PORT, size) == \
        peers.stream_digest(size)
    _, packets = read(file)
    for direction in pcapng.DIRECTIONS.values():
        largest = max(len(p.frame) for p in packets if p.direction == direction)
        assert (largest > 1514) == (chosen == "native"), direction


def test_limit(world, file, stack, confinement):
    api = world.tmp / "api.sock"
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap(f"--pcap={file}", "--pcap-limit=1", "--mtu=65520", "-a", api, *confinement)
    assert peer(world, world.guest, peers.download, w.INET4, PORT, 4 * MIB) == \
        peers.stream_digest(4 * MIB)
    probes.assert_works(world)
    counted = w.api(api, "get_stats")["return"]["capture"]
    assert counted["frames"] == len(read(file)[1]) and counted["missed"] > 0
    assert gate.stop() == 0
    assert MIB / 2 < file.stat().st_size <= MIB, stack
    assert len(read(file)[1]) > 5
    ended, _, missed = probes.errors(gate)
    assert ended == f"capture: '{file}' ends here: the limit of {MIB} bytes is reached"
    assert missed.startswith(f"capture: frames that are not in '{file}': ")


def test_full_disk(world, stack, confinement):
    folder = world.tmp / "small"
    folder.mkdir()
    world.host.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", folder)
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap(f"--pcap={folder}/capture", *confinement)
    assert peer(world, world.guest, peers.upload, w.INET4, PORT, 4 * MIB) == \
        peers.stream_digest(4 * MIB)
    probes.assert_works(world)
    assert gate.stop() == 0
    _, packets = pcapng.read(world.host.run("cat", folder / "capture", text=False).stdout)
    assert packets, stack
    assert [e for e in probes.errors(gate) if "ends here" in e] == \
        [f"capture: '{folder}/capture' ends here: No space left on device"]


def test_limit_of_the_caller(world, file, confinement):
    """RLIMIT_FSIZE is no end of the network, and no signal."""
    probes.serve_inet(world, w.INET4)
    gate = world.start_tap(f"--pcap={file}", *confinement,
                           user=[*world.as_user(), "prlimit", "--fsize=200000", "--"])
    for _ in range(4):
        probes.assert_works(world)
    assert gate.stop() == 0
    assert read(file)[1]
    assert f"capture: '{file}' ends here: File too large" in probes.errors(gate)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL],
                         ids=lambda s: s.name)
def test_whole_after_a_signal(world, file, confinement, number):
    """After SIGKILL the last turn may be missing, so it is not the one that is asked for."""
    gate = world.start_tap(f"--pcap={file}", *confinement)
    ping(world)
    if number == signal.SIGKILL:
        ping(world, "beef")
    gate.process.send_signal(number)
    assert gate.wait() == -number
    assert echoes(read(file)[1]) == ["from-guest", "to-guest"]


def test_written_while_it_runs(world, file):
    """Nobody has to end it to see what was."""
    world.start_tap(f"--pcap={file}")
    ping(world)
    w.wait_until(lambda: len(echoes(read(file)[1])) == 2, "both frames in the file")


# --- pipes ---


def test_pipe_by_number(world, confinement):
    """As a shell's process substitution gives it; tcpdump shows the frames as they come."""
    with probes.pipe() as (reader, writer):
        for end in reader, writer:
            os.fchown(end, w.USER, w.USER)
        gate = world.start_tap(f"--pcap=/dev/fd/{writer}", *confinement, extra_fds=[writer])
        os.close(writer)
        shown = subprocess.Popen(["tcpdump", "-n", "-l", "-r", "-", "icmp"], stdin=reader,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with shown:
            ping(world)
            assert b"ICMP echo request" in shown.stdout.readline()
            assert b"ICMP echo reply" in shown.stdout.readline()
            assert gate.stop() == 0
            assert shown.stdout.read() == b""
        assert shown.returncode == 0


@contextlib.contextmanager
def fifo_reader(world, file):
    os.mkfifo(file)
    if world.rootless:
        os.chown(file, w.USER, w.USER)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield reader
    finally:
        with contextlib.suppress(OSError):
            os.close(reader)


def test_reader_that_goes_away(world, file, stack, confinement):
    probes.serve_inet(world, w.INET4)
    with fifo_reader(world, file) as reader:
        gate = world.start_tap(f"--pcap={file}", *confinement)
        assert os.read(reader, 65536)
        os.close(reader)
        gone = f"capture: '{file}' ends here: its reader has gone"
        w.wait_until(lambda: gone in gate.stderr(), f"the line that says so with {stack}")
        probes.assert_works(world)
        assert gate.stop() == 0
        assert [e for e in probes.errors(gate) if "ends here" in e] == [gone]


def test_reader_that_sleeps(world, file, stack, confinement):
    """It gets whole frames in the end, though not all."""
    probes.serve_inet(world, w.INET4)
    with fifo_reader(world, file) as reader:
        gate = world.start_tap(f"--pcap={file}", *confinement)
        for program in peers.upload, peers.download:
            assert peer(world, world.guest, program, w.INET4, PORT, 2 * MIB) == \
                peers.stream_digest(2 * MIB)
        gate.process.send_signal(signal.SIGTERM)
        _, packets = pcapng.read(probes.wait_eof(reader))
        assert gate.wait() == -signal.SIGTERM
        assert len(packets) > 3, stack
        assert f"capture: frames that are not in '{file}': " in gate.stderr()


# --- other links ---


def test_tap_descriptor(world, file, stack):
    tap = take_tap(world, "tap7")
    gate = world.start("--netns-type=tapfd", f"--pcap={file}", *CONFINED, tap, extra_fds=[tap])
    os.close(tap)
    world.guest.run("ip", "addr", "add", f"{w.GUEST4}/24", "dev", "tap7")
    world.guest.run("ip", "link", "set", "tap7", "up")
    ping(world)
    assert gate.stop() == 0
    name, packets = read(file)
    assert name == "tap7", stack
    assert echoes(packets) == ["from-guest", "to-guest"]


def test_bess(world, file, stack):
    """The capture goes on with the next client."""
    gate, client = start_bess(world, f"--pcap={file}", *CONFINED)
    for number in (1, 2):
        client.resolve_gateway()
        client.ping(number)
        client.close()
        if number == 1:
            client = frames.BessClient(world.tmp / "bess.sock")
    assert gate.stop() == 0
    name, packets = read(file)
    assert name == "bess", stack
    assert [p.direction for p in packets if p.frame.endswith(b"ping")] == \
        ["from-guest", "to-guest"] * 2


# --- files that do not do ---


def make_directory(path):
    path.mkdir()


def make_link(path):
    """To a file, which must stay as it is."""
    target = path.parent / "precious"
    target.write_text("precious")
    target.chmod(0o666)
    path.symlink_to(target)


def make_fifo(path):
    os.mkfifo(path)
    path.chmod(0o666)


def make_nothing(_):
    pass


@pytest.mark.parametrize("make,name,reason", [
    (make_directory, "it", "Is a directory"),
    (make_link, "it", "Too many levels of symbolic links"),
    (make_fifo, "it", "nobody reads it"),
    (make_nothing, "it/it", "No such file or directory"),
])
def test_file_that_cannot_be_opened(world, make, name, reason):
    make(world.tmp / "it")
    gate = world.start_tap(f"--pcap={world.tmp / name}", *CONFINED, wait=False)
    assert gate.wait() == 1
    assert gate.stderr() == f"--pcap: cannot open '{world.tmp / name}': {reason}\n"
    assert os.read(gate.ready_r, 1) == b""
    assert len(world.guest.ip("link")) == 1
    precious = world.tmp / "precious"
    assert not precious.exists() or precious.read_text() == "precious"

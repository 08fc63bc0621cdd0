"""The configuration file: `check`, what is wrong with a file, and what GATE4NETNS_CONFIG does to callers
that speak slirp4netns' dialect."""
import os
import subprocess

import pytest

import peers
import world as w
from probes import PORT, peer, serve

ERRORS = {      # what the file says: the line that it is told in, and what
    "unknown-key": ("[gate4netns]\nmtuu=1500\n", 2, "mtuu: no such option"),
    "unknown-group": ("[gate4netns]\n[other]\nmtu=1500\n", 3, "mtu: no group [other], only [gate4netns]"),
    "no-group": ("mtu=1500\n", 1, "a key before the first [group]"),
    "no-equals": ("[gate4netns]\n\nmtu\n", 3, "neither a [group], key=value nor a # comment"),
    "bad-group": ("[gate4netns\n", 1, "not a [group]"),
    "number": ("[gate4netns]\nmtu=67\n", 2, 'mtu must be a number from 68 to 65521, not "67"'),
    "word": ("[gate4netns]\n# c\nipv6=maybe\n", 3, 'ipv6 must be "auto", "on" or "off", not "maybe"'),
    "switch": ("[gate4netns]\ndns=yes\n", 2, 'dns must be "off" or "on", not "yes"'),
    "list": ("[gate4netns]\npublish=80\npublish=80/sctp\n", 3,
             "publish=80/sctp: the protocol is not tcp, udp or tcp+udp"),
    "cidr": ("[gate4netns]\ncidr=10.0.2.1/24\n", 2, "cidr=10.0.2.1/24: CIDR needs to be a network"),
    "cidr6": ("[gate4netns]\ncidr6=fd00::/48\n", 2, "cidr6=fd00::/48: not an IPv6 network"),
    "other-command": ("[gate4netns]\ntimeout=3\n", 2, "timeout: no such option"),
    "itself": ("[gate4netns]\nconfig=/x\n", 2, "config: no such option"),
    "escape": ("[gate4netns]\nname=\\x\n", 2, "'\\' in a value stands before"),
    "many": ("[gate4netns]\n" + "publish=80\n" * 257, 258, "publish can be given 256 times"),
}


def write(world, text, mode=0o600, owner=None):
    path = world.tmp / "gate4netns.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    owner = owner if owner is not None else (w.USER if world.rootless else 0)
    os.chown(path, owner, owner)
    return path


def check(world, path):
    return subprocess.run([*world.as_caller(), w.binary(), "check", f"--config={path}"],
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_file_line_and_key(world, case):
    text, line, said = ERRORS[case]
    path = write(world, text)
    done = check(world, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}:{line}: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text, said", [(b"[gate4netns]\nname=\xff\n", "not a text in UTF-8"),
                                        (b"[gate4netns]\nmtu=1500\0\n", "not a text in UTF-8"),
                                        (b"#" * (256 * 1024 + 1), "larger than 256 KiB")],
                         ids=["latin1", "nul", "large"])
def test_what_is_no_text_is_refused(world, text, said):
    path = write(world, text)
    done = check(world, path)
    assert (done.returncode, done.stderr) == (1, f"{path}: {said}\n")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(world, mode):
    done = check(world, write(world, "[gate4netns]\n", mode))
    assert done.returncode == 1 and "others may write to it (fix: chmod go-w)" in done.stderr


def test_a_foreign_file_is_refused(world):
    done = check(world, write(world, "[gate4netns]\n", 0o644, owner=w.USER + 1))
    assert done.returncode == 1 and "belongs to somebody else" in done.stderr


def test_what_is_no_file_is_refused(world):
    for path in (world.tmp, "/dev/null"):
        done = check(world, path)
        assert done.returncode == 1 and f"{path}: not a regular file" in done.stderr
    fifo = world.tmp / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in check(world, fifo).stderr
    assert "No such file" in check(world, world.tmp / "nothing").stderr


def test_check_prints_what_is_in_effect_in_the_same_syntax(world):
    path = write(world, "[gate4netns]\nmtu = 9000\npublish=8080:80\npublish=unix:/a\\\\b:81\nhost-loopback=on\n")
    first = check(world, path)
    assert first.returncode == 0, first.stderr
    assert {"mtu=9000", "publish=8080:80", "publish=unix:/a\\\\b:81", "host-loopback=on",
            "cidr=10.0.2.0/24", "sandbox=on"} <= set(first.stdout.split("\n"))
    again = check(world, write(world, first.stdout))
    assert (again.stdout, again.stderr) == (first.stdout, "")


def reaches(world, ns, address, port):
    return peer(world, ns, peers.upload, address, port, 1000) == peers.stream_digest(1000)


def with_config(world, text):
    return {**os.environ, "GATE4NETNS_CONFIG": str(write(world, text))}


def test_a_caller_with_fixed_arguments_gets_what_the_file_says(world):
    serve(world, world.guest, peers.tcp_server, "0.0.0.0")
    gate = world.start_tap(env=with_config(
        world, f"[gate4netns]\nmtu=1400\npublish=8080:{PORT}\nhost-loopback=off\nsandbox=on\n"))
    assert world.guest.ip("link", "show", "tap0")[0]["mtu"] == 1400
    assert "is accessible" not in gate.stdout()
    assert reaches(world, world.host, "127.0.0.1", 8080)
    assert gate.stop() == 0


def test_options_count_more_than_the_file(world):
    serve(world, world.host, peers.tcp_server, "127.0.0.1")
    world.start_tap("--mtu=1300", "--disable-host-loopback",
                    env=with_config(world, "[gate4netns]\nmtu=1400\nhost-loopback=on\n"))
    assert world.guest.ip("link", "show", "tap0")[0]["mtu"] == 1300
    assert peer(world, world.guest, peers.connect, w.GATEWAY4, PORT) != "connected"


def test_a_bad_file_starts_nothing(world):
    gate = world.start_tap(env=with_config(world, "[gate4netns]\nbogus=1\n"), wait=False)
    assert gate.wait() == 1
    assert gate.stderr().endswith("gate4netns.conf:2: bogus: no such option\n")
    assert not world.guest.run("ip", "link", "show", "tap0", check=False).returncode == 0


def test_a_bad_file_does_not_hide_what_we_are(world):
    """Callers ask --help first, to learn what they can pass."""
    env = with_config(world, "[gate4netns]\nbogus=1\n")
    done = subprocess.run([*world.as_caller(), w.binary(), "--help"], env=env, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0 and "--enable-sandbox" in done.stdout


@pytest.mark.parametrize("variable", ["GATE4NETNS_TCP", "GATE4NETNS_UDP"])
def test_a_stack_of_the_environment_that_is_none(world, variable):
    gate = world.start_tap(env={**os.environ, variable: "fast"}, wait=False)
    assert gate.wait() == 1
    assert gate.stderr() == f'{variable} must be "native" or "slirp", not "fast"\n'


def test_another_ipv6_network(world):
    """cidr6 is where the guest's addresses, the gateway and the name server are; without it the first
    test of test_ipv6.py has fd00::/64."""
    mac, prefix = "0e:d4:18:d9:38:fb", "fd12:3456:0:7"
    serve(world, world.host, peers.tcp_server, "::1")
    world.start_tap("-6", f"--macaddress={mac}", env=with_config(world, f"[gate4netns]\ncidr6={prefix}::/64\n"))
    world.guest.run("ip", "addr", "add", f"{prefix}:cd4:18ff:fed9:38fb/64", "dev", "tap0", "nodad")
    assert reaches(world, world.guest, f"{prefix}::2", PORT)

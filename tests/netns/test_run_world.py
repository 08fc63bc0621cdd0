"""gate4netns run: the network that CMD has, and the files and sockets that it finds."""
import os
import shutil
import signal

import pytest

import peers
import probes
import runs
import world as w
from runs import run

PORT = probes.PORT
NAME, ANSWER = "gate.test", "198.51.100.7"
HOST_NAME = "host.gate4netns.internal"


def client(world, function, *arguments, options=()):
    """The answer of a client of peers.py that is CMD."""
    done = run(world, *probes.program(world, function), *arguments, options=options)
    return probes.json.loads(done.stdout)


# --- the network ---


@pytest.mark.parametrize("address", [w.INET4, w.INET6])
def test_tcp_and_udp(world, address):
    probes.serve_inet(world, address)
    size = 1 << 20
    assert client(world, peers.upload, address, PORT, size) == peers.stream_digest(size)
    assert client(world, peers.udp_send, address, PORT, "hello", w.DEADLINE_S) == "echoed"


def test_everything_is_up_when_it_starts(world):
    """Addresses of both families can be used: none is tentative."""
    done = run(world, "ip", "-br", "address", "show", "dev", "tap0")
    assert "10.0.2.100/24" in done.stdout and "fd00::64/64" in done.stdout
    done = run(world, "ip", "-6", "address", "show", "scope", "global", "tentative")
    assert done.stdout == ""


@pytest.mark.parametrize("options", [(), ("--map=root",)])
@pytest.mark.parametrize("address", [w.GATEWAY4, w.INET4])
def test_ping_without_privilege(world, address, options):
    done = run(world, "ping", "-c1", "-W5", address, options=options, check=False)
    assert " 0% packet loss" in done.stdout, done.stdout + done.stderr


def test_options_of_the_network(world):
    options = ["--cidr=10.9.0.0/16", "--cidr6=fd12::/64", "--mtu=9000", "--interface=net7"]
    done = run(world, "sh", "-c", "ip address show net7; cat /etc/resolv.conf", options=options)
    for text in ("10.9.0.100/16", "fd12::64/64", "mtu 9000", "nameserver 10.9.0.3\n",
                 "nameserver fd12::3\n"):
        assert text in done.stdout


def test_without_ipv6(world):
    done = run(world, "sh", "-c", "ip -6 route show default; cat /etc/resolv.conf /etc/hosts",
               options=["--ipv6=off"])
    assert "fd00" not in done.stdout


def test_published_port(world):
    server = probes.program(world, peers.tcp_server)
    with runs.Running(world, *server, "0.0.0.0", PORT, options=["-p", f"7010:{PORT}"],
                      ready_line="listening"):
        size = 1 << 18
        answer = probes.peer(world, world.inet, peers.upload, w.HOST4, 7010, size)
        assert answer == peers.stream_digest(size)


# --- the host's loopback ---


def test_the_hosts_loopback_is_closed(world):
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1")
    assert client(world, peers.connect, w.GATEWAY4, PORT) == "ENETUNREACH"
    assert HOST_NAME not in run(world, "cat", "/etc/hosts").stdout


def test_the_hosts_loopback_by_name(world):
    probes.serve(world, world.host, peers.tcp_server, "127.0.0.1")
    options = ["--host-loopback=on"]
    assert client(world, peers.connect, HOST_NAME, PORT, options=options) == "connected"
    hosts = run(world, "getent", "ahosts", HOST_NAME, options=options).stdout
    assert {line.split()[0] for line in hosts.splitlines()} == {w.GATEWAY4, w.GATEWAY6}


# --- the files ---


def serve_names(world):
    world.spawn(world.inet, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces",
                "--except-interface=lo", f"--listen-address={w.INET4}",
                f"--address=/{NAME}/{ANSWER}", ready_line="started")


def resolve(world, name=NAME, options=()):
    return run(world, "getent", "ahostsv4", name, options=options).stdout.split()[:1]


def test_names(world):
    serve_names(world)
    assert resolve(world) == [ANSWER]


def outside(world):
    return world.host.run("cat", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf").stdout


def test_files_are_replaced_inside_only(world):
    before = outside(world)
    files = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
    script = 'for file; do cat "$file"; echo changed >"$file"; cat "$file"; done'
    with runs.Running(world, "sh", "-c", f"{script}; echo; echo up; read line", "sh",
                      *files) as running:
        lines = list(iter(running.process.stdout.readline, "up\n"))
        assert lines.count("changed\n") == len(files)       # CMD may write to its own
        assert f"nameserver {w.DNS4}\n" in lines
        assert "hosts: files dns\n" in lines
        assert outside(world) == before
    assert outside(world) == before


def test_how_names_are_completed_stays(world):
    text = "domain old.test\nsearch one.test two.test\noptions ndots:2 edns0\nsortlist 10.0.0.0\n"
    world.resolv_conf.write_text(f"nameserver {w.INET4}\n{text}")
    inside = run(world, "cat", "/etc/resolv.conf").stdout
    assert inside == (f"nameserver {w.DNS4}\nnameserver {w.DNS6}\ndomain old.test\n"
                      "search one.test two.test\noptions ndots:2 edns0\n")


def test_without_names(world):
    serve_names(world)
    done = run(world, "sh", "-c", f"getent hosts {NAME}; cat /etc/resolv.conf",
               options=["--dns=off"])
    assert ANSWER not in done.stdout and "nameserver" not in done.stdout


def own_etc(world, *names):
    """An /etc of the host's that has these files only, and nothing mounted on them."""
    etc = world.tmp / "etc"
    etc.mkdir()
    for name in ("passwd", "group", *names):
        shutil.copy(f"/etc/{name}", etc / name)
    world.host.run("umount", "/etc/resolv.conf")
    world.host.run("mount", "--bind", etc, "/etc")
    return etc


def own_run(world):
    folder = world.tmp / "run"
    folder.mkdir()
    world.host.run("mount", "--bind", folder, "/run")
    return folder


@pytest.mark.parametrize("folder", ["systemd/resolve", "elsewhere"])
def test_a_resolv_conf_that_is_a_link(world, folder):
    """Also into a directory that is hidden from CMD."""
    serve_names(world)
    etc, there = own_etc(world, "hosts", "nsswitch.conf"), own_run(world) / folder
    there.mkdir(parents=True)
    (there / "stub.conf").write_text(f"nameserver {w.INET4}\n")
    (etc / "resolv.conf").symlink_to(f"../run/{folder}/stub.conf")
    assert resolve(world) == [ANSWER]
    assert (there / "stub.conf").read_text() == f"nameserver {w.INET4}\n"


def test_files_that_do_not_exist_are_not_made(world):
    serve_names(world)
    etc = own_etc(world)
    (etc / "resolv.conf").write_text(f"nameserver {w.INET4}\n")
    assert resolve(world) == [ANSWER]
    assert sorted(path.name for path in etc.iterdir()) == ["group", "passwd", "resolv.conf"]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_missing_resolv_conf(world, dangling):
    """Then CMD would ask its own loopback for names, so it is not even started."""
    etc = own_etc(world, "hosts", "nsswitch.conf")
    if dangling:
        (etc / "resolv.conf").symlink_to("../nowhere/resolv.conf")
    done = run(world, "echo", "ran", check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "/etc/resolv.conf" in done.stderr and "\nfix: " in done.stderr
    assert run(world, "echo", "ran", options=["--dns=off"]).stdout == "ran\n"


# --- sockets that answer from outside ---

HIDDEN = ["nscd/socket", "dbus/system_bus_socket", "systemd/resolve/io.systemd.Resolve",
          "systemd/machine/io.systemd.Machine", "avahi-daemon/socket"]
TELL = """import socket, sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
            print("answered", path)
        except OSError as error:
            print(type(error).__name__, path)
"""
ANSWER_ALL = """import select, socket, sys
socks = [socket.socket(socket.AF_UNIX) for _ in sys.argv[1:]]
for sock, path in zip(socks, sys.argv[1:]):
    sock.bind(path)
    sock.listen()
print("listening", flush=True)
while True:
    for sock in select.select(socks, [], [])[0]:
        sock.accept()
"""


def test_sockets_that_would_answer_are_hidden(world):
    folder = own_run(world)
    paths = [f"/run/{name}" for name in (*HIDDEN, "other/socket")]
    for name in (*HIDDEN, "other/socket"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    world.spawn(world.host, "/usr/bin/python3", "-c", "import os; os.umask(0)\n" + ANSWER_ALL,
                *paths, ready_line="listening")
    tell = ["/usr/bin/python3", "-c", TELL, *paths]
    before = world.host.run(*world.as_user(), *tell).stdout.splitlines()
    assert before == [f"answered {path}" for path in paths]
    inside = run(world, *tell).stdout.splitlines()
    assert inside == [f"FileNotFoundError {path}" for path in paths[:-1]] + \
        [f"answered {paths[-1]}"]


def test_abstract_sockets_are_another_networks(world):
    program = ("import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0gate4netns-test');"
               "s.listen(); print('listening', flush=True); s.accept()")
    world.spawn(world.host, "/usr/bin/python3", "-c", program, ready_line="listening")
    done = run(world, "cat", "/proc/net/unix")
    assert "gate4netns-test" not in done.stdout
    assert "gate4netns-test" in world.host.run("cat", "/proc/net/unix").stdout


# --- one in the other ---


@pytest.mark.parametrize("options", [(), ("--map=root",)])
def test_three_deep(world, options):
    """With the same addresses at each level, down to TCP and names."""
    serve_names(world)
    probes.serve_inet(world, w.INET4)
    inner = [*runs.command(options=options)] * 2
    ask = probes.program(world, peers.upload)
    done = run(world, *inner, *ask, w.INET4, PORT, 1 << 18, options=options, check=False)
    assert probes.json.loads(done.stdout) == peers.stream_digest(1 << 18), done.stderr
    done = run(world, *inner, "getent", "ahostsv4", NAME, options=options, check=False)
    assert done.stdout.split()[:1] == [ANSWER], done.stderr
    runs.wait_all_gone(world)


def test_inside_a_user_namespace_with_a_range(rootless_world):
    """As in a rootless container: some ids exist, none of them the machine's root."""
    world = rootless_world
    container = world.new_user_namespace()
    inside = [*world.as_user(), "nsenter", f"--target={container.pid}", "--user", "--mount",
              "--preserve-credentials", "--"]
    done = world.host.run(*inside, *runs.command("cat", "/proc/self/uid_map"),
                          env=runs.environment(world))
    assert done.stdout.split() == ["0", "0", "1"]



# --- what it has in common with the other commands ---


def test_ctl_finds_it(world):
    """By the name of its own, and without one while it is the only one."""
    with runs.Running(world, "sh", "-c", "echo up; read line", options=["--name=mine"],
                      ready_line="up") as running:
        path = world.tmp / "xdg" / "gate4netns" / "mine.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        for name in (["mine"], []):
            done = world.host.run(*world.as_user(), w.binary(), "ctl", *name, "stats",
                                  env=runs.environment(world))
            assert "tcp" in done.stdout
        running.process.communicate("\n", timeout=w.DEADLINE_S)
    assert not path.exists()


def test_the_socket_goes_with_a_killed_engine(world):
    with runs.Running(world, "sh", "-c", "echo up; read line", options=["--name=mine"],
                      ready_line="up") as running:
        path = world.tmp / "xdg" / "gate4netns" / "mine.sock"
        assert path.exists()
        os.kill(running.engine, signal.SIGKILL)
        assert running.end()[0] == 125
    w.wait_until(lambda: not path.exists(), "the keeper to remove the socket file")


def test_no_api_socket(world):
    done = run(world, "sh", "-c", 'ls "$XDG_RUNTIME_DIR"', options=["--api-socket=none"])
    assert done.stdout == ""


def test_a_service_on_its_own_loopback(world):
    server = probes.program(world, peers.tcp_server)
    options = ["--guest-loopback=on", "-p", f"7010:127.0.0.1:{PORT}"]
    with runs.Running(world, *server, "127.0.0.1", PORT, options=options, ready_line="listening"):
        size = 1 << 18
        answer = probes.peer(world, world.inet, peers.upload, w.HOST4, 7010, size)
        assert answer == peers.stream_digest(size)
    runs.wait_all_gone(world)


def test_capture(world):
    path = world.tmp / "capture"
    path.touch(mode=0o666)
    path.chmod(0o666)
    run(world, "ping", "-c1", "-W5", w.GATEWAY4, options=[f"--pcap={path}"])
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_capture_into_a_descriptor_of_the_caller(world):
    """As bash has it in --pcap=>(tcpdump ...)."""
    reader, writer = os.pipe()
    os.fchmod(writer, 0o666)        # an ordinary user's would be his
    try:
        run(world, "ping", "-c1", "-W5", w.GATEWAY4, options=[f"--pcap=/proc/self/fd/{writer}"],
            pass_fds=[writer])
        assert os.read(reader, 4) == b"\x0a\x0d\x0d\x0a"
    finally:
        os.close(reader)
        os.close(writer)


SEND_AND_END = """import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.send(b"first")
sock.recv(100)
print("up", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    sock.send(str(number).encode())
"""


def test_what_it_has_sent_arrives(world):
    """Also what the engine has not seen yet when CMD has ended already."""
    probes.serve(world, world.inet, peers.udp_server, w.INET4)
    count = 200     # what the receiver has room for, and more than one turn takes
    with runs.Running(world, "/usr/bin/python3", "-c", SEND_AND_END, w.INET4, PORT, count,
                      ready_line="up") as running:
        os.kill(running.engine, signal.SIGSTOP)
        running.process.stdin.write("\n")
        running.process.stdin.flush()
        runs.wait_gone(running.cmd)
        os.kill(running.engine, signal.SIGCONT)
        assert running.end() == (0, "", "")
    log = probes.peer(world, world.inet, peers.udp_ask, w.INET4, PORT, "log")
    assert log == ["first"] + [str(number) for number in range(count)]


def test_the_socket_goes_after_a_killed_keeper(world):
    with runs.Running(world, "sh", "-c", "echo up; read line", options=["--name=mine"],
                      ready_line="up") as running:
        path = world.tmp / "xdg" / "gate4netns" / "mine.sock"
        assert path.exists()
        (keeper,) = runs.children(running.engine)
        os.kill(keeper, signal.SIGKILL)
        running.process.communicate("\n", timeout=w.DEADLINE_S)
        assert running.process.returncode == 0
    assert not path.exists()

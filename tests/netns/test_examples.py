"""Every command in the EXAMPLES of the manual pages is run, as root and as an ordinary user.

A command has to end with status 0, unless a row of EXPECTED says that it stays: then what it is there for is
seen from outside while it runs. The pages take some things for granted; Stage provides them:
    example.com     has an address and a web server, beyond the host
    web.conf        is the example of gate4netns.conf(5), in the directory where everything runs
    12345           is a process in a network namespace without a way out
    /run/netns/web  is a namespace that appears later; an ordinary user has that of a process instead
    COMMAND         asks the web server
    IMAGE           is a root file system with a server in it, and what podman needs here besides
"""
import contextlib
import dataclasses
import os
import pathlib
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable

import pytest

import callers as c
import manpage
import podman as p
import world as w

MAN = pathlib.Path(__file__).resolve().parents[2] / "man"
PAGE = (MAN / "gate4netns.1").read_text(encoding="utf-8")
CONF_PAGE = (MAN / "gate4netns.conf.5").read_text(encoding="utf-8")
SITE, GREETING = "example.com", "from beyond the host"
ASK = f"curl -sS http://{SITE}/"
KINDS = "rootful", "rootless"
PATIENCE_S = 90         # an emulated machine boots meanwhile
STILL_PORT = 8000       # of a server on the host's loopback


class Stage:
    def __init__(self, world):
        self.world = world
        self._started = []      # by us, for the caller
        self._stack = contextlib.ExitStack()
        self.space = self._stack.enter_context(contextlib.closing(c.CallerSpace(world)))
        self.home = self.space.home
        self.bin = world.tmp / "bin"
        self.bin.mkdir()
        (self.bin / "gate4netns").symlink_to(w.binary())
        [configuration] = manpage.commands(CONF_PAGE)
        (self.home / "web.conf").write_text(configuration)
        self.space.give(self.home / "web.conf")
        self._serve()
        self.guest = self._hold_namespace()

    def _serve(self):
        site = self.world.tmp / "site"
        site.mkdir()
        (site / "index.html").write_text(f"{GREETING}\n")
        self.serve_http(self.world.inet, w.INET4, 80, site)
        self.world.spawn(self.world.inet, "dnsmasq", "--no-daemon", "--conf-file=/dev/null",
                         "--no-resolv", "--no-hosts", "--user=root", "--group=root", "--pid-file=",
                         "--bind-interfaces", "--except-interface=lo", f"--listen-address={w.INET4}",
                         f"--address=/{SITE}/{w.INET4}", ready_line="started")

    def serve_http(self, ns, address, port, folder="/usr/share"):
        self.world.spawn(ns, c.PYTHON, "-u", "-m", "http.server", f"--bind={address}",
                         f"--directory={folder}", port, ready_line="Serving")

    def popen(self, *argv, **kw):
        """A program of the caller, in the directory of the examples."""
        kw = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **kw}
        path = f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"
        process = self.space.popen(*self.space.caller("env", "-C", self.home, *argv, path=path),
                                   start_new_session=True, **kw)
        self._stack.callback(self._reap, process)
        self._started.append(process)
        return process

    @staticmethod
    def _signal(process, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    def _reap(self, process):
        self._signal(process, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()

    def start(self, command):
        """The example, for a shell."""
        self._output = self._stack.enter_context(tempfile.TemporaryFile())
        return self.popen("bash", "-c", self.substitute(command), stdout=self._output)

    def output(self):
        """What it has printed so far."""
        fd = self._output.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def run(self, *argv):
        return subprocess.run(self.space.enter() + self.space.caller(*argv), text=True, check=False,
                              capture_output=True, timeout=w.DEADLINE_S)

    def _hold_namespace(self):
        """The process 12345: its pid in the space."""
        unshare = ["unshare", "--net", "--mount"]
        if self.world.rootless:
            unshare += ["--user", "--map-root-user"]
        self._holder = self.popen(*unshare, "sh", "-c", "echo $$; exec cat", stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        return int(self._holder.stdout.readline())

    def end(self):
        """Ask all that was started to end, once."""
        while self._started:
            process = self._started.pop()
            if process.poll() is None:
                self._signal(process, signal.SIGTERM)
                process.wait(w.DEADLINE_S)

    def end_guest(self):
        self._holder.stdin.close()
        self._holder.wait(w.DEADLINE_S)

    def inside(self, *argv):
        """A command in the namespace of 12345."""
        user = ["--user", "--preserve-credentials"] if self.world.rootless else []
        return self.run("nsenter", f"--target={self.guest}", *user, "--net", *argv)

    def start_gate(self, *argv):
        """Our program beside the example, until the end; waits until it is ready."""
        reader, writer = os.pipe()
        self.popen("gate4netns", *[word.replace("READY", str(writer)) for word in argv],
                   pass_fds=[writer])
        os.close(writer)
        with open(reader, "rb", buffering=0) as ready:
            readable, _, _ = select.select([ready], [], [], w.DEADLINE_S)
            assert readable and ready.read(1) == b"1", f"{argv} does not get ready"

    def substitute(self, command):
        if "IMAGE" in command:
            command = command.replace("IMAGE", self._image())
        web = "/run/netns/web"
        if self.world.rootless:
            web = f"--userns-path=/proc/{self.guest}/ns/user /proc/{self.guest}/ns/net"
        return command.replace("12345", str(self.guest)).replace("COMMAND", ASK) \
            .replace("/run/netns/web", web)

    def _image(self):
        """The words for podman(1); its global options are in a podman that PATH has first."""
        podman = p.Podman(self.space, name_binary=False)
        wrapper = self.bin / "podman"
        wrapper.write_text('#!/bin/sh\nexec /usr/bin/podman ' + " ".join(podman.options) + ' "$@"\n')
        wrapper.chmod(0o755)
        return " ".join([*podman.image(), *p.CONTAINER_WHOAMI, "serve", "80"])

    def processes(self):
        """All that run, but the one that podman leaves to an ordinary user on purpose."""
        return {pid for pid in self.space.pids() if not self._is_pause(pid)}

    @staticmethod
    def _is_pause(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("podman pause")
        return False

    def close(self):
        self._stack.close()


# --- what is there before the example, and what is seen while it runs ---


def host_server(stage):
    stage.serve_http(stage.world.host, "127.0.0.1", STILL_PORT)


def attached(stage):
    stage.start_gate("attach", "--name=web", "--publish=8080:80", "--ready-fd=READY", str(stage.guest))


def compat_with_api(stage):
    stage.start_gate("-c", "--api-socket=api.sock", "--ready-fd=READY", str(stage.guest), "tap0")


def own_run(stage):
    """/run/netns is the machine's otherwise."""
    stage.space.run("mount", "-t", "tmpfs", "tmpfs", "/run")
    stage.space.run("mkdir", "/run/netns")


def machine_socket(stage):
    stage.popen("gate4netns", "attach", "--link=stream:vm.sock")
    w.wait_until((stage.home / "vm.sock").is_socket, "the socket for the virtual machine")


def guest_asks(stage):
    """12345 has a way out."""
    return GREETING in stage.inside("curl", "-sS", f"http://{w.INET4}/").stdout


def outside_asks(stage):
    """Port 8080 of the host leads to a server in the directory of the examples."""
    answer = stage.world.inet.run("curl", "-sS", f"http://{w.HOST4}:8080/", check=False)
    return "web.conf" in answer.stdout


def container_answers(stage):
    """Port 8080 of the host leads to the server of IMAGE, which says who we are."""
    ask = c.whoami(stage.world, "ask", "tcp", w.HOST4, "8080")
    return stage.world.inet.run(*ask, check=False).stdout.strip()


def host_listens(port):
    return lambda stage: stage.world.host.run("ss", "-ltnH", f"sport = :{port}").stdout.strip()


def guest_has_tap(stage):
    return "10.0.2.100/24" in stage.inside("ip", "address", "show", "tap0").stdout


def web_appears(stage):
    if not stage.world.rootless:
        stage.space.run("sh", "-c", "test -e /run/netns/web || ip netns add web")
        return "10.0.2.100/24" in stage.space.run("ip", "-n", "web", "address").stdout
    return guest_has_tap(stage)


def machine_has_address(stage):
    """From DHCP; it says so on its serial line."""
    return "10.0.2.2" in stage.output()


def socket_file(name):
    return lambda stage: (stage.home / name).is_socket()


@dataclasses.dataclass(frozen=True)
class Expected:
    """Of the example that begins so."""
    begin: str
    before: Callable = None
    says: str = ""              # on its standard output
    leaves: str = ""            # a file that is not empty
    stays: Callable = None      # it does not end by itself; this becomes true of the stage
    ends: Callable = None       # what ends it then, with status 0; else SIGTERM does
    kinds: tuple = KINDS


EXPECTED = [
    Expected("gate4netns run -- curl", says=GREETING),
    Expected("gate4netns run -p 8080:80", stays=outside_asks),
    Expected("gate4netns run --map=root --hostname=box", says="root\nbox\n"),
    Expected("gate4netns run --host-loopback=on", before=host_server, says="<"),
    Expected("gate4netns run --pcap=", says=GREETING, leaves="traffic.pcapng"),
    Expected("gate4netns check", says="mtu=65520\n"),
    Expected("gate4netns run --config=web.conf", stays=outside_asks),
    Expected("gate4netns attach --exit-with", stays=guest_asks, ends=Stage.end_guest),
    Expected("gate4netns attach --wait", before=own_run, stays=web_appears),
    Expected("gate4netns exec --user 12345", before=attached, says="10.0.2.100/24"),
    Expected("gate4netns exec --user --timeout", before=attached, says=GREETING),
    Expected("gate4netns ctl forwards list", before=attached, says="8080"),
    Expected("gate4netns ctl web forwards add", before=attached),
    Expected("gate4netns ctl web forwards remove", before=attached),
    Expected("gate4netns ctl web flows list", before=attached),
    Expected("gate4netns ctl --json web stats", before=attached, says="0\n"),
    Expected("mkfifo info block\nbwrap ", says=GREETING),
    Expected("python3 - <<'END'\nimport socket, subprocess\nours, theirs = socket.socketpair()\n",
             says=GREETING),
    Expected("python3 - <<'END'\nimport socket, subprocess\nours, theirs = socket.socketpair(socket",
             says=GREETING),
    Expected("gate4netns attach --link=stream", stays=socket_file("vm.sock")),
    Expected("qemu-system-x86_64", before=machine_socket, stays=machine_has_address),
    Expected("unshare"),
    Expected("gate4netns --configure --mtu=65520", stays=guest_asks),
    Expected("gate4netns -c --api-socket=api.sock", stays=socket_file("api.sock")),
    Expected("echo '{\"execute\": \"list_hostfwd\"}'", before=compat_with_api, says='{"entries":[]'),
    Expected("gate4netns -c --publish=8080:80", stays=host_listens(9099)),
    Expected("podman", stays=container_answers),
    Expected("GATE4NETNS_CONFIG=", stays=container_answers),
    Expected("rootlesskit", says=GREETING, kinds=("rootless",)),
    Expected("source <(gate4netns completion bash)"),
]


def expected(command):
    """The row of an example; one that nobody has described has to end with status 0."""
    rows = [row for row in EXPECTED if command.startswith(row.begin)]
    assert len(rows) < 2, f"{command}: {rows}"
    return rows[0] if rows else Expected(command)


EXAMPLES = manpage.commands(PAGE)
CASES = [(kind, command) for command in EXAMPLES for kind in expected(command).kinds]


@pytest.fixture
def stage(request):
    with w.World(rootless=request.param == "rootless") as world, \
            contextlib.closing(Stage(world)) as made:
        yield made


@pytest.mark.parametrize("stage, command", CASES, indirect=["stage"],
                         ids=[f"{kind}-{' '.join(command.split()[:5])}" for kind, command in CASES])
def test_example(stage, command):
    row = expected(command)
    if row.before:
        row.before(stage)
    process = stage.start(command)
    if row.stays:
        w.wait_until(lambda: process.poll() is not None or row.stays(stage), row.stays.__name__,
                     PATIENCE_S)
        assert process.poll() is None, "it has ended"
        if row.ends:
            row.ends(stage)
        else:
            stage.end()
    process.wait(PATIENCE_S)
    assert row.says in stage.output()
    assert not row.leaves or (stage.home / row.leaves).stat().st_size > 0
    assert process.returncode == (0 if row.ends or not row.stays else -signal.SIGTERM)
    stage.end()
    w.wait_until(lambda: not stage.processes(), "the end of every process")


def test_every_row_is_of_one_example():
    for row in EXPECTED:
        assert len([command for command in EXAMPLES if command.startswith(row.begin)]) == 1, row


def test_every_line_is_part_of_an_example():
    """Nothing that looks like a command stands outside of the displays, which are all run."""
    lines = manpage.section(PAGE, "EXAMPLES")
    shown = "\n".join(EXAMPLES)
    for line in lines:
        assert not line.startswith((".Dl", ".D1")), line
        assert not line.startswith(".Bd") or line.startswith(manpage.BEGIN), line
    inside = [line.removeprefix(manpage.PROMPT) for display in manpage.displays(lines) for line in display]
    assert inside == shown.split("\n")
    assert len(EXAMPLES) > 20

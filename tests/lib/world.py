"""A hermetic internet for the tests.

    guest netns  --tap0-->  binary under test  --host netns--  up0 | inet0  --inet netns

Every namespace is held by one process that lives exactly as long as the test: its
standard input is our pipe, so it ends when the test ends, however that happens.
The host namespace has no way out of the machine; what the binary forwards can reach
the inet namespace and nothing else.

A world is "rootful" (the binary runs as root, the guest shares its user namespace) or
"rootless" (the binary runs as an ordinary user, who made the guest with its own user
namespace).
"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST4, INET4 = "192.0.2.1", "192.0.2.2"
HOST6, INET6 = "2001:db8::1", "2001:db8::2"
GUEST4, GATEWAY4, DNS4 = "10.0.2.100", "10.0.2.2", "10.0.2.3"
GATEWAY6, DNS6 = "fd00::2", "fd00::3"
USER = 10001                    # the uid and gid of the ordinary user; needs no passwd entry
DEADLINE_S = 20                 # a wait for an event never takes longer unless something is broken


def binary():
    """The program under test: $GATE4NETNS, or the one in build/."""
    default = pathlib.Path(__file__).resolve().parents[2] / "build" / "gate4netns"
    return os.environ.get("GATE4NETNS", str(default))


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Poll a condition that has no event to wait for; returns its first true value."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        select.select([], [], [], 0.01)
    raise AssertionError(f"gave up waiting for: {what}")


class Namespace:
    """A process that holds namespaces, and a way to run commands inside them."""

    def __init__(self, argv, inside=None, flags=("--net",), become=()):
        self._flags = list(flags)
        self._become = list(become)     # who may enter: the owner of its user namespace
        enter = inside.enter() if inside else []
        self._holder = subprocess.Popen(enter + list(argv) + ["cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self._holder.stdin.write(b"\n")
        self._holder.stdin.flush()
        if self._holder.stdout.readline() != b"\n":
            raise AssertionError(f"cannot make a namespace with {argv}")
        self.pid = self._holder.pid

    def enter(self):
        return [*self._become, "nsenter", f"--target={self.pid}", *self._flags, "--"]

    def run(self, *argv, check=True, **kw):
        kw.setdefault("timeout", 120)
        if "stdout" not in kw:
            kw.setdefault("capture_output", True)
        kw.setdefault("text", True)
        done = subprocess.run(self.enter() + [str(a) for a in argv], **kw)
        if check and done.returncode:
            raise AssertionError(f"{argv} returned {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def popen(self, *argv, **kw):
        return subprocess.Popen(self.enter() + [str(a) for a in argv], **kw)

    def ip(self, *argv):
        return json.loads(self.run("ip", "-j", *argv).stdout or "[]")

    def close(self):
        if self._holder.poll() is None:
            self._holder.stdin.close()
            self._holder.kill()
            self._holder.wait()
        self._holder.stdout.close()


class Gate:
    """A running binary under test: its pipes, its ready byte, its end."""

    def __init__(self, world, args, program=None, env=None, exit_fd=True, ready=True,
                 extra_fds=(), user=None, cwd=None, name=None, command=()):
        self.world = world
        ready_r, ready_w = os.pipe()
        exit_r, self.exit_w = os.pipe()
        argv = list(world.as_caller(user)) + [program or binary()]
        if name:                # argv[0] as the program sees it
            argv[-1:] = ["bash", "-c", 'exec -a "$0" "$@"', name, program or binary()]
        argv += command         # of our own dialect, whose options stand behind it
        if exit_fd:
            argv += ["-e", str(exit_r)]
        if ready:
            argv += ["-r", str(ready_w)]
        argv += [str(a) for a in args]
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.argv = argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, env=env, cwd=cwd,
                                        pass_fds=[ready_w, exit_r, *extra_fds])
        os.close(ready_w)
        os.close(exit_r)
        self.ready_r = ready_r
        self.pid = self.process.pid

    def wait_ready(self, deadline_s=DEADLINE_S):
        readable, _, _ = select.select([self.ready_r], [], [], deadline_s)
        got = os.read(self.ready_r, 16) if readable else b"(timeout)"
        if got != b"1":
            raise AssertionError(f"not ready ({got!r}): {self.stderr()} argv {self.argv}")
        return self

    def _text(self, stream):
        """What the child has written so far. Its descriptor has the same file offset as ours: were it
        moved to the start, the next line would go there.
        """
        fd = stream.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def stdout(self):
        return self._text(self.out)

    def stderr(self):
        return self._text(self.err)

    def wait(self, deadline_s=DEADLINE_S):
        return self.process.wait(deadline_s)

    def stop(self):
        """End by the exit-fd, as podman does; returns the exit status."""
        if self.exit_w is not None:
            os.close(self.exit_w)
            self.exit_w = None
        try:
            return self.process.wait(DEADLINE_S if self.process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end on its exit-fd: {self.stderr()}")

    def close(self):
        if self.exit_w is not None:
            os.close(self.exit_w)
            self.exit_w = None
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.ready_r is not None:
            os.close(self.ready_r)
            self.ready_r = None
        self.out.close()
        self.err.close()


class World:
    """The three namespaces, and what runs in them."""

    def __init__(self, rootless):
        self.rootless = rootless
        self._stack = contextlib.ExitStack()
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="gate4netns-"))
        self._stack.callback(shutil.rmtree, self.tmp, ignore_errors=True)
        if rootless:
            os.chown(self.tmp, USER, USER)
        self.tmp.chmod(0o755)
        self.host = self._namespace(["unshare", "--net", "--mount", "--propagation=private"],
                                    flags=("--net", "--mount"))
        self.inet = self._namespace(["unshare", "--net"])
        self._wire()
        self._device_node()
        self.resolv_conf = self.tmp / "resolv.conf"
        self.set_nameservers(INET4)
        self.host.run("mount", "--bind", self.resolv_conf, "/etc/resolv.conf")
        self.guest = self.new_guest()

    def _namespace(self, *args, **kw):
        ns = Namespace(*args, **kw)
        self._stack.callback(ns.close)
        return ns

    def _wire(self):
        """One Ethernet segment between the host and the inet namespace."""
        self.host.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "inet0",
                      "netns", self.inet.pid)
        for ns, dev, a4, a6 in ((self.host, "up0", HOST4, HOST6), (self.inet, "inet0", INET4, INET6)):
            ns.run("ip", "link", "set", "lo", "up")
            ns.run("ip", "addr", "add", f"{a4}/24", "dev", dev)
            ns.run("ip", "addr", "add", f"{a6}/64", "dev", dev, "nodad")
            ns.run("ip", "link", "set", dev, "up")
        self._introduce(self.host, "up0", INET6, self.inet, "inet0")
        self._introduce(self.inet, "inet0", HOST6, self.host, "up0")
        self.host.run("sh", "-c", "for last in 2147483647 65535; do"     # all that exist here
                      " echo 0 $last >/proc/sys/net/ipv4/ping_group_range && break; done")

    def _introduce(self, ns, dev, address, peer, peer_dev):
        """Neighbour discovery answers only a second after a new link came up: do not need it."""
        mac = peer.ip("link", "show", peer_dev)[0]["address"]
        ns.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", dev)

    def _device_node(self):
        """A /dev/net/tun that the ordinary user may open; the machine's own may be 0600."""
        node = self.tmp / "tun"
        try:
            os.mknod(node, 0o666 | 0o020000, os.makedev(10, 200))
        except PermissionError:     # root of a user namespace only: the machine's own must do
            return
        node.chmod(0o666)
        self.host.run("mount", "--bind", node, "/dev/net/tun")

    def set_nameservers(self, *addresses):
        self.resolv_conf.write_text("".join(f"nameserver {a}\n" for a in addresses))

    def as_user(self):
        if not self.rootless:
            return []
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]

    def as_caller(self, user=None):
        """The command prefix that puts a program where the binary under test runs."""
        return [*self.host.enter(), *(self.as_user() if user is None else user)]

    def new_guest(self):
        if self.rootless:
            return self._namespace([*self.as_user(), "unshare", "--user", "--map-root-user",
                                    "--net", "--mount"], inside=self.host,
                                   flags=("--user", "--net", "--mount", "--preserve-credentials"),
                                   become=self.as_user())
        return self._namespace(["unshare", "--net", "--mount"], inside=self.host,
                               flags=("--net", "--mount"))

    def new_user_namespace(self):
        """A user namespace of the ordinary user in the host's network: where podman lives."""
        return self._namespace([*self.as_user(), "unshare", "--user", "--map-root-user", "--mount"],
                               inside=self.host, become=self.as_user(),
                               flags=("--user", "--mount", "--preserve-credentials"))

    def new_guest_inside(self, ns):
        """A guest whose user namespace is that of ns."""
        return self._namespace(["unshare", "--net", "--mount"], inside=ns, become=self.as_user(),
                               flags=("--user", "--net", "--mount", "--preserve-credentials"))

    def start(self, *args, ready=True, wait=True, **kw):
        """Start the binary with these arguments; wait for its ready byte."""
        gate = Gate(self, args, ready=ready, **kw)
        self._stack.callback(gate.close)
        if ready and wait:
            gate.wait_ready()
        return gate

    def start_tap(self, *options, **kw):
        """The common case: configure tap0 in the guest."""
        return self.start("-c", *options, self.guest.pid, "tap0", **kw)

    def attach(self, *args, api="none", **kw):
        """The same in our own dialect, of what already is there."""
        return self.start(f"--api-socket={api}", *args, command=["attach"], **kw)

    def spawn(self, ns, *argv, ready_line=None, **kw):
        """A server for the length of the test. With ready_line, wait until it prints that."""
        process = ns.popen(*argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, **kw)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self._stack.callback(end)
        if ready_line is not None:
            wanted, seen = ready_line.encode(), b""
            while wanted not in seen:
                readable, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
                piece = os.read(process.stdout.fileno(), 4096) if readable else b""
                if not piece:
                    raise AssertionError(f"{argv} did not say {ready_line!r}: {seen!r}")
                seen += piece
        return process

    def wait_listening(self, ns, port, proto="tcp"):
        """Wait until somebody has bound this port in that namespace."""
        flag = "-ltnH" if proto == "tcp" else "-lunH"
        wait_until(lambda: ns.run("ss", flag, f"sport = :{port}").stdout.strip(),
                   f"{proto} port {port}")

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def api_raw(path, payload, shut=True, timeout_s=DEADLINE_S):
    """Send bytes to an API socket; returns everything that it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(str(path))
        sock.sendall(payload)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return answer


def api(path, execute, **arguments):
    """One API request in podman's form; returns the decoded answer."""
    request = {"execute": execute}
    if arguments:
        request["arguments"] = arguments
    return json.loads(api_raw(path, json.dumps(request).encode() + b"\n"))


def pid_alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("signal",)]

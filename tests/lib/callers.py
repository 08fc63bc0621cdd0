"""What the tests of real callers share: a place to run them in, and peers to talk to."""
import contextlib
import fcntl
import os
import pathlib
import shutil

import world as w

PYTHON = "/usr/bin/python3"     # the distribution's: containers and sandboxes see /usr
WHOAMI = pathlib.Path(__file__).with_name("whoami.py")
PORT = 8000                     # where a peer serves
USER_NAME = "caller"
FIRST_SUBID, SUBIDS = 200000, 65536
NS_GET_PARENT = 0xb702


def script(world, path):
    """A copy of this program that every user can read, wherever the checkout is."""
    copy = world.tmp / path.name
    if not copy.exists():
        shutil.copy(path, copy)
        copy.chmod(0o644)
    return [PYTHON, copy]


def whoami(world, *argv):
    return [*script(world, WHOAMI), *argv]


def serve(world, namespace, port=PORT, flags=()):
    """Answer in this namespace until the end of the test."""
    world.spawn(namespace, *whoami(world, "serve", port, *flags), ready_line="serving")


def ask(world, namespace, proto, address, port):
    """Whom the server there takes a client in this namespace for."""
    return namespace.run(*whoami(world, "ask", proto, address, port)).stdout.strip()


def is_gate(pid):
    """Does this process execute the binary under test?"""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(f"/proc/{pid}/exe"), os.stat(w.binary()))
    return False


def pid_namespaces(pid):
    """The inodes of a process's pid namespace and of those above it, as far as we may see."""
    inodes = []
    with contextlib.ExitStack() as stack, contextlib.suppress(PermissionError):
        descriptor = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
        while True:
            stack.callback(os.close, descriptor)
            inodes.append(os.fstat(descriptor).st_ino)
            descriptor = fcntl.ioctl(descriptor, NS_GET_PARENT)
    return inodes


def parent_of(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def argv_of(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


class CallerSpace(w.Namespace):
    """The world's host as one caller sees it: an account of its own, and its own processes.

    The first process of the space reaps the orphans; with it all others end.
    """

    def __init__(self, world):
        super().__init__(["unshare", "--mount", "--propagation=private", "--pid", "--fork",
                          "--kill-child", "--mount-proc", "sh", "-c", '"$0"; :'],
                         inside=world.host, flags=("--net", "--mount"))
        self._flags.append(f"--pid=/proc/{self.pid}/ns/pid_for_children")
        self._pid_namespace = os.stat(f"/proc/{self.pid}/ns/pid_for_children").st_ino
        self.world = world
        self.home = world.tmp / "home"
        self.runtime = world.tmp / "xdg"
        for folder in (self.home, self.runtime):
            folder.mkdir(mode=0o700)
            self.give(folder)
        self._accounts()

    def give(self, path):
        """Make the caller the owner of a path."""
        if self.world.rootless:
            os.chown(path, w.USER, w.USER, follow_symlinks=False)

    def _accounts(self):
        """Private copies of the account files, with the ordinary user in them."""
        subids = f"{USER_NAME}:{FIRST_SUBID}:{SUBIDS}\n"
        lines = {"passwd": f"{USER_NAME}:x:{w.USER}:{w.USER}::{self.home}:/bin/sh\n",
                 "group": f"{USER_NAME}:x:{w.USER}:\n", "subuid": subids, "subgid": subids}
        for name, line in lines.items():
            original, copy = pathlib.Path("/etc", name), self.world.tmp / name
            kept = original.read_text() if name in ("passwd", "group") else ""
            copy.write_text(kept + line)
            self.run("mount", "--bind", copy, original)

    def caller(self, *argv, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        """The command line that runs argv as the caller, with a clean environment."""
        return [*self.world.as_user(), "env", "-i", f"HOME={self.home}", f"PATH={path}",
                f"XDG_RUNTIME_DIR={self.runtime}", f"TMPDIR={self.runtime}",
                *[str(a) for a in argv]]

    def pids(self):
        """Every process of the space, by its pid on the machine, but the two that hold it."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if self._pid_namespace in pid_namespaces(pid) and not self._holds(pid):
                    found.append(int(pid))
        return found

    def _holds(self, pid):
        return parent_of(pid) == self.pid or argv_of(pid) == ["cat"]

    def gate_processes(self):
        """The processes of the binary under test and their parents: it may have helpers."""
        found = {}
        for pid in filter(is_gate, self.pids()):
            with contextlib.suppress(OSError):
                found[pid] = parent_of(pid)
        return found

    def gates(self):
        """The processes of the binary under test that a caller started."""
        processes = self.gate_processes()
        return [pid for pid, parent in processes.items() if parent not in processes]

    def gate(self):
        """The one of them."""
        gates = w.wait_until(lambda: len(self.gates()) == 1 and self.gates(),
                             "one process of the binary under test")
        return gates[0]

    def wait_no_gate(self):
        w.wait_until(lambda: not self.gate_processes(), "the end of the binary under test")

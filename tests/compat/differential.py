"""Two programs, one input: run both, and compare everything that a caller can see.

The reference is Debian's slirp4netns, the other is the program under test. Both are
started in the same hermetic world, found on PATH under the same name, one after the
other. What they did is an outcome: a dict of named texts ("streams") such as status,
stdout, stderr. What cannot be equal (fd numbers, pids, temporary paths) is normalised.

expected() turns the reference's outcome into the one demanded of the program under test
by applying the rows of differences.py. Whatever is left over is a deviation.
"""
import contextlib
import dataclasses
import fnmatch
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import world as w

REFERENCE = "/usr/bin/slirp4netns"
PROGRAMS = ("reference", "ours")
ANYTHING = "…"                  # in an expected text: any run of characters within one line


@dataclasses.dataclass(frozen=True)
class Case:
    """One command line. In the texts, {pid}, {exit}, {ready}, {tmp}, {dead} and
    {wrapped}, which is {dead} once it is cut to 32 bits, are filled in."""

    id: str
    line: str                   # the arguments, in shell quoting
    name: str = "slirp4netns"   # argv[0]; with a slash it is passed as it stands
    worlds: tuple = ("rootful", "rootless")
    prefix: str = ""            # the command that starts the program
    files: str = ""             # shell text, run by the caller in the empty directory {tmp}
    guest: str = ""             # shell text, run in a guest of its own beforehand
    signal: str = ""            # ends the program once it is ready; else its exit-fd does
    wait_ready: bool = True     # False: it cannot say; it is when it has got the tap
    peer: str = ""              # path of a SOCK_SEQPACKET socket that the test connects to
    raw_stdout: bool = False    # True: the reference buffers its stdout as it does in a file


class Pair:
    """A world, both programs in it, and the outcomes so far."""

    def __init__(self, kind):
        self.kind = kind
        self.world = w.World(rootless=kind == "rootless")
        self.work = self.world.tmp / "work"
        self._known = {}
        self.program = {"reference": REFERENCE, "ours": w.binary()}
        self.path = {}
        for which, program in self.program.items():
            self.path[which] = self.world.tmp / which
            self.path[which].mkdir(mode=0o755)
            for name in ("slirp4netns", "gate4netns"):
                (self.path[which] / name).symlink_to(program)

    def once(self, key, outcomes):
        """What outcomes() returned the first time: a pair for the reference and for ours."""
        if key not in self._known:
            self._known[key] = outcomes()
        return self._known[key]

    def command(self, which, name, arguments, raw_stdout=False):
        """The argv of a program: found on PATH, stdout of the reference line buffered.

        In a file or a pipe the reference's block buffered output is lost when a signal
        ends it, and printed twice by its fork(); cases with raw_stdout hold that.
        """
        argv = ["env", f"PATH={self.path[which]}:{os.environ['PATH']}"]
        if self.program[which] == REFERENCE and not raw_stdout:
            argv += ["stdbuf", "-oL"]
        if "/" in name:
            return [*argv, "bash", "-c", 'exec -a "$0" slirp4netns "$@"', name, *arguments]
        return [*argv, name, *arguments]

    def empty_work(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o755)
        if self.world.rootless:
            os.chown(self.work, w.USER, w.USER)
        return self.work

    def normalise(self, text, guest):
        text = text.replace(str(self.work), "TMP").replace(f"/proc/{guest.pid}/", "/proc/PID/")
        text = re.sub(r'(tapfd"?)=\d+', r"\1=N", text)
        return re.sub(r"\n\(process:\d+\): (\S+) \*\*: [\d:.]+:", r"(process:N): \1:", text)

    def close(self):
        self.world.close()


class Run:
    """One start of one program for one case."""

    def __init__(self, pair, which, case):
        self.pair, self.case = pair, case
        self.guest = pair.world.new_guest() if case.guest else pair.world.guest
        if case.guest:
            self.guest.run("sh", "-ec", case.guest)
        tmp = pair.empty_work()
        self.ready, self._ready_write = os.pipe()
        self._exit_read, self._exit_write = os.pipe()
        gone = subprocess.Popen(["true"])
        gone.wait()
        self._known = {"pid": self.guest.pid, "tmp": tmp, "exit": self._exit_read,
                       "ready": self._ready_write, "dead": gone.pid,
                       "wrapped": gone.pid + 2 ** 32}
        if case.files:
            subprocess.run([*pair.world.as_caller(), "sh", "-ec", self._filled(case.files)],
                           check=True, timeout=20)
        self._argv = [*pair.world.as_caller(), *shlex.split(self._filled(case.prefix)),
                      *pair.command(which, case.name, shlex.split(self._filled(case.line)),
                                    case.raw_stdout)]

    def _filled(self, text):
        return re.sub(r"\{(\w+)\}", lambda found: str(self._known[found[1]]), text)

    def _connect(self, peer):
        def connected():
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                peer.connect(self._filled(self.case.peer))
                return True
            return False
        if self.case.peer:
            w.wait_until(connected, f"a listener at {self.case.peer}")

    @staticmethod
    def _read(stream):
        return os.pread(stream.fileno(), 1 << 20, 0)

    def _settle(self, process, err):
        """Wait for the ready byte, or the program's end; then end it."""
        ready = b""
        if self.case.wait_ready:
            readable, _, _ = select.select([self.ready], [], [], w.DEADLINE_S)
            ready = os.read(self.ready, 16) if readable else b"(nothing)"
        else:
            w.wait_until(lambda: process.poll() is not None or b"received" in self._read(err),
                         "the tap")
        if self.case.signal and process.poll() is None:
            process.send_signal(getattr(signal, self.case.signal))
            process.wait(w.DEADLINE_S)
        os.close(self._exit_write)
        status = process.wait(w.DEADLINE_S)
        return ready, f"exit {status}" if status >= 0 else f"signal {-status}"

    def outcome(self):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=err, pass_fds=[self._ready_write, self._exit_read])
            os.close(self._ready_write)
            os.close(self._exit_read)
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                    self._connect(peer)
                    ready, status = self._settle(process, err)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                os.close(self.ready)
            left = {"status": status, "ready": ready.decode(), "files": self._files()}
            for name, stream in (("stdout", out), ("stderr", err)):
                text = self._read(stream).decode(errors="replace")
                text = self.pair.normalise(text, self.guest)
                left[name] = text.replace(f"/proc/{self._known['dead']}/", "/proc/DEAD/")
            return left

    def _files(self):
        """What is in {tmp} afterwards: an s after the name of a socket."""
        return " ".join(sorted(path.name[:9] + (":s" if path.is_socket() else "")
                               for path in self.pair.work.iterdir()))


def command_outcomes(pair, case):
    """(reference, ours) for one command line."""
    return pair.once(case, lambda: [Run(pair, which, case).outcome() for which in PROGRAMS])


@dataclasses.dataclass(frozen=True)
class Difference:
    """One intended difference, in every case whose "id@world" the pattern matches.

    For each stream: the reference's text, and ours in its place. The reference's text is
    a piece of the stream ("": the stream is empty) or a compiled pattern.
    """

    cases: str
    reason: str
    changes: dict

    def matches(self, name):
        return fnmatch.fnmatchcase(name, self.cases)

    @property
    def exact(self):
        """It names one case, so it must occur there."""
        return not set("*?[") & set(self.cases.split("@")[0])

    def apply(self, outcome):
        """Returns the changed outcome and the streams in which it occurred."""
        changed, occurred = dict(outcome), set()
        for stream, (reference, ours) in self.changes.items():
            new = _replace(outcome.get(stream), reference, ours)
            if new is not None:
                changed[stream] = new
                occurred.add(stream)
        return changed, occurred


def _replace(text, reference, ours):
    if text is None:
        return None
    if isinstance(reference, re.Pattern):
        new, count = reference.subn(ours, text)
        return new if count else None
    if reference == "":
        return ours if text == "" else None
    return text.replace(reference, ours) if reference in text else None


def expected(name, reference, rows):
    """The outcome that we must show, given the reference's; and the rows that are stale."""
    want, stale = reference, []
    for row in rows:
        if row.matches(name):
            want, occurred = row.apply(want)
            if row.exact and occurred != set(row.changes):
                stale.append(f"{row.reason}: no longer in {set(row.changes) - occurred}")
    return want, stale


def _is(text, want):
    pattern = re.escape(want).replace(re.escape(ANYTHING), "[^\n]*")
    return re.fullmatch(pattern, text) is not None


def check(name, reference, ours, rows):
    """Fail unless our outcome is the reference's, but for the listed differences."""
    want, stale = expected(name, reference, rows)
    assert not stale, f"{name}: the reference no longer shows a listed difference"
    want = {stream: ours[stream] if stream in ours and _is(ours[stream], text) else text
            for stream, text in want.items()}
    assert ours == want, f"{name}: deviates from the reference"

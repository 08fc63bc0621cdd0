"""A person at a terminal: a pseudo-terminal, and the program that has it for its controlling one."""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import termios
import time

import world as w

CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"
ROWS, COLUMNS = 24, 500         # wide: no line that is typed is broken


def members(session):
    """The processes of a session."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == session:
                yield int(stat.parent.name)


class Terminal:
    """Runs argv as the leader of a session on a new terminal."""

    def __init__(self, argv, **env):
        self._seen = b""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], [str(a) for a in argv], {**os.environ, **env, "TERM": "dumb"})
        self._session = self.pid
        self.resize(ROWS, COLUMNS)

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self._master, text.encode())

    def foreground(self):
        """The process group that the terminal's signals go to."""
        return os.tcgetpgrp(self._master)

    def expect(self, pattern):
        """Wait until what was written since the last call matches; the match. A line that is typed is
        echoed: a pattern must not match that.
        """
        end = time.monotonic() + w.DEADLINE_S
        while not (match := re.search(pattern.encode(), self._seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError(f"the terminal did not show {pattern!r}: {self._seen!r}")
            try:
                self._seen += os.read(self._master, 65536)
            except OSError:     # nobody has it open any more
                raise AssertionError(f"it ended without {pattern!r}: {self._seen!r}") from None
        self._seen = self._seen[match.end():]
        return match

    def expect_line(self, text):
        return self.expect(rf"{re.escape(text)}\r\n")

    def hang_up(self):
        """The person goes away."""
        os.close(self._master)
        self._master = None

    def wait(self):
        """The status of the end of the program, as of os.waitpid()."""
        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return (status,)
        return w.wait_until(ended, "the program at the terminal to end")[0]

    def close(self):
        """Nobody of the session stays: a shell that is killed passes nothing on to its jobs."""
        if self._master is not None:
            self.hang_up()
        for pid in members(self._session):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.pid is not None:
            os.waitpid(self.pid, 0)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def shell(argv, **env):
    """An interactive bash at a terminal, started by way of argv."""
    terminal = Terminal([*argv, "bash", "--norc", "--noprofile", "-i"], PS1="outer> ", **env)
    terminal.expect("outer> ")
    return terminal

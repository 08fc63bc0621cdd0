"""gate4netns run in the host namespace of a world, as its caller."""
import contextlib
import os
import pathlib
import subprocess

import probes
import world as w


def environment(world, **more):
    """What the caller has; the default API socket goes into the world's folder."""
    runtime = world.tmp / "xdg"
    if not runtime.exists():
        runtime.mkdir(mode=0o700)
        if world.rootless:
            os.chown(runtime, w.USER, w.USER)
    return dict(os.environ, XDG_RUNTIME_DIR=str(runtime), PATH="/usr/sbin:/usr/bin:/sbin:/bin",
                **more)


def command(*argv, options=()):
    return [w.binary(), "run", *map(str, options), "--", *map(str, argv)]


def run(world, *argv, options=(), check=True, env=None, **kw):
    """To its end. Standard error has to be empty unless a test says that it fails."""
    done = world.host.run(*world.as_user(), *command(*argv, options=options), check=False,
                          env=env or environment(world), **kw)
    if check and (done.returncode or done.stderr):
        raise AssertionError(f"{argv} returned {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Running:
    """A command of run that works until we close its standard input, or end it otherwise."""

    def __init__(self, world, *argv, options=(), ready_line=None, **kw):
        self.process = world.host.popen(*world.as_user(), *command(*argv, options=options),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        env=environment(world), **kw)
        self.pid = self.process.pid
        if ready_line is not None:
            line = self.process.stdout.readline()
            assert line == ready_line + "\n", (line, self.process.communicate())
            self.cmd, self.engine = sorted(children(self.pid), key=is_engine)

    def end(self):
        """The exit status, and what it wrote since: little, for nobody reads meanwhile."""
        self.process.wait(w.DEADLINE_S)
        out, err = self.process.communicate(timeout=w.DEADLINE_S)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def children(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_engine(pid):
    """Does it still execute the program? The other child has become its command."""
    return os.path.samestat(os.stat(f"/proc/{pid}/exe"), os.stat(w.binary()))


def gates():
    """Every process that executes the program."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if is_engine(int(pid)):
                found.add(int(pid))
    return found


def gates_in(world):
    """Those in the host network namespace of the world."""
    ours = os.stat(f"/proc/{world.host.pid}/ns/net").st_ino
    found = set()
    for pid in gates():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/ns/net").st_ino == ours:
                found.add(pid)
    return found


def wait_all_gone(world):
    w.wait_until(lambda: not gates_in(world), "the end of all processes of run")


def wait_gone(pid):
    def gone():
        try:
            return probes.status(pid)["State"][0] in "ZX"
        except OSError:
            return True
    w.wait_until(gone, f"the end of process {pid}")

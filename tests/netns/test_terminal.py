"""A command at a terminal is as if it had been started alone: job control, signals, window, status."""
import contextlib
import os
import pathlib
import shlex
import signal

import pytest

import commands
import probes
import runs
import terminal as t
import world as w

CAT = "$IN sh -c 'echo u\"\"p; exec cat'"      # ready when a line "up" is shown


def exec_prefix(world):
    return [w.binary(), "exec", "--user", world.guest.pid]


def run_prefix(world):
    return [w.binary(), "run", "--"]


@pytest.fixture(params=[exec_prefix, run_prefix], ids=["exec", "run"])
def prefix(world, request):
    """What puts a command of the user into a namespace by way of us."""
    return [str(a) for a in request.param(world)]


@pytest.fixture
def outer(world, prefix):
    """The shell of a person; $IN CMD is a command by way of us."""
    with t.shell(world.as_caller(), **runs.environment(world, IN=shlex.join(prefix))) as made:
        yield made


def words(world, function):
    return shlex.join(map(str, probes.program(world, function)))


def tree(prefix, *pids):
    """Our process, started by one of these or their children, and the command below it."""
    for pid in pids:
        for child in children(pid):
            with contextlib.suppress(OSError, StopIteration):
                line = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if line[1:3] == [a.encode() for a in prefix[1:3]]:
                    return child, next(c for c in children(child) if not runs.is_engine(c))
            if found := tree(prefix, child):
                return found
    return None


def children(pid):
    with contextlib.suppress(OSError):
        return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_program(pid, name):
    w.wait_until(lambda: pathlib.Path(f"/proc/{pid}/comm").read_text() == f"{name}\n", name)


def wait_state(pid, wanted):
    w.wait_until(lambda: state(pid) in wanted, f"state {wanted} of {pid}")


# --- the keys of the terminal ---


@pytest.mark.parametrize("key, number", [(t.CTRL_C, signal.SIGINT), (t.CTRL_BACKSLASH, signal.SIGQUIT)],
                         ids=["INT", "QUIT"])
def test_key_ends_the_command(outer, key, number):
    outer.type(f"{CAT}; echo status=$?\n")
    outer.expect_line("up")
    outer.type(key)
    outer.expect_line(f"status={128 + number}")


def test_key_reaches_the_command_once(world, outer):
    """It comes from the terminal, not from us too; and we stay until the command ends."""
    outer.type(f"$IN {words(world, commands.tell_signals)}; echo status=$?\n")
    outer.expect_line("up")
    for _ in range(3):
        outer.type(t.CTRL_C)
        outer.expect_line(f"got={signal.SIGINT}")
    outer.type("\n")
    outer.expect_line("total=3")
    outer.expect_line("status=3")


def test_key_from_before_the_start_is_not_lost(world, prefix):
    """It is the command's, as if that had begun in our place."""
    waiting = probes.program(world, commands.await_interrupt)
    with t.Terminal([*world.as_caller(), *waiting, *prefix, *waiting],
                    **runs.environment(world)) as terminal:
        terminal.expect_line("up")
        terminal.type(t.CTRL_C)
        for said in "pending", "up", "pending":
            terminal.expect_line(said)


def test_end_of_file_reaches_the_command(outer):
    outer.type(f"{CAT}; echo status=$?\n")
    outer.expect_line("up")
    outer.type("a line\n")
    outer.expect("a line\r\na line\r\n")
    outer.type(t.CTRL_D)
    outer.expect_line("status=0")


# --- job control ---


def test_stop_and_foreground(world, prefix, outer):
    outer.type(f"{CAT}; echo status=$?\n")
    outer.expect_line("up")
    ours, command = w.wait_until(lambda: tree(prefix, outer.pid), "the processes")
    outer.type(t.CTRL_Z)
    outer.expect(r"Stopped")
    outer.expect("outer> ")
    assert state(ours) == state(command) == "T"
    outer.type("jobs\n")
    outer.expect(r"\[1\]\+\s+Stopped")
    outer.type("fg\n")
    wait_state(ours, "S")
    outer.type("again\n")
    outer.expect("again\r\nagain\r\n")
    outer.type(t.CTRL_D)
    outer.expect("outer> ")
    outer.type("jobs; echo no\"\"ne\n")
    outer.expect(r"jobs; [^\n]*\nnone\r\n")


def test_stop_and_background(world, prefix, outer):
    """In the background it is stopped when it reads from the terminal, and the shell sees why."""
    outer.type(f"{CAT}\n")
    outer.expect_line("up")
    ours, command = w.wait_until(lambda: tree(prefix, outer.pid), "the processes")
    outer.type(t.CTRL_Z)
    outer.expect("Stopped")
    outer.expect("outer> ")
    outer.type("set -o notify; bg\n")
    outer.expect("Stopped")
    assert state(ours) == state(command) == "T"
    outer.type("jobs -l; kill %1\n")
    outer.expect(r"Stopped \(tty input\)")
    w.wait_until(lambda: not os.path.exists(f"/proc/{command}"), "the end of the command")
    w.wait_until(lambda: not os.path.exists(f"/proc/{ours}"), "our end")


def test_stop_sent_to_us_alone(world, prefix, outer):
    outer.type("$IN cat /dev/zero >/dev/null\n")
    ours, command = w.wait_until(lambda: tree(prefix, outer.pid), "the processes")
    wait_program(command, "cat")
    os.kill(ours, signal.SIGTSTP)
    outer.expect("Stopped")
    assert state(ours) == state(command) == "T"
    os.kill(ours, signal.SIGCONT)       # alone too
    wait_state(command, "RS")
    wait_state(ours, "RS")


def test_command_that_nobody_watches_is_stopped_alone(world, prefix, outer):
    """A debugger stops and continues it without a word to us: we must not be left stopped."""
    outer.type("$IN cat /dev/zero >/dev/null &\n")
    ours, command = w.wait_until(lambda: tree(prefix, outer.pid), "the processes")
    wait_program(command, "cat")
    os.kill(command, signal.SIGSTOP)
    wait_state(command, "T")
    os.kill(command, signal.SIGCONT)
    os.kill(command, signal.SIGTERM)
    w.wait_until(lambda: not os.path.exists(f"/proc/{ours}"), "our end")


@pytest.mark.parametrize("editor", ["busybox vi", "vim -u NONE -i NONE -n"], ids=["busybox", "vim"])
def test_full_screen_program(world, prefix, outer, editor):
    """One stops itself only, the other its whole process group."""
    path = world.tmp / "edited"
    outer.type(f"TERM=xterm $IN {editor} {path}\n")
    outer.expect(r"\x1b\[")
    ours, command = w.wait_until(lambda: tree(prefix, outer.pid), "the processes")
    outer.type("ifirst\x1b")
    outer.expect("first")
    outer.type(t.CTRL_Z)
    outer.expect("Stopped")
    assert state(ours) == state(command) == "T"
    outer.type("fg\n")
    outer.expect(r"first")
    outer.type(":wq\r")
    outer.expect("outer> ")
    assert path.read_text() == "first\n"


# --- a shell of its own inside ---


@pytest.fixture
def inner(outer):
    """A shell by way of us, with job control."""
    outer.type("PS1='inner> ' $IN bash --norc --noprofile -i; echo status=$?\n")
    outer.expect("inner> ")
    return outer


def test_job_control_inside(prefix, inner):
    inner.type("sh -c 'echo u\"\"p; exec cat'\n")
    inner.expect_line("up")
    inner.type("one\n")
    inner.expect("one\r\none\r\n")
    inner.type(t.CTRL_Z)
    inner.expect("Stopped")
    inner.type("fg\n")
    inner.expect("\nsh -c [^\n]*\n")
    inner.type("two\n")
    inner.expect("two\r\ntwo\r\n")
    inner.type(t.CTRL_C)
    inner.expect("inner> ")
    inner.type("exit 5\n")
    inner.expect_line("status=5")


def test_shell_inside_is_suspended(prefix, inner):
    ours, command = w.wait_until(lambda: tree(prefix, inner.pid), "the processes")
    inner.type("suspend\n")
    inner.expect("Stopped")
    inner.expect("outer> ")
    assert state(ours) == state(command) == "T"
    inner.type("fg\n")
    inner.expect("inner> ")
    inner.type("echo al\"\"ive; exit 6\n")
    inner.expect_line("alive")


def test_shell_inside_is_killed(world, prefix):
    """It was the terminal's foreground process group: a script that goes on must have the terminal."""
    script = f"""PS1='inner> ' {shlex.join(prefix)} bash --norc --noprofile -i
                 echo status=$?; read x; echo got=$x"""
    with t.Terminal([*world.as_caller(), "bash", "-c", script], **runs.environment(world)) as script:
        script.expect("inner> ")
        _, command = w.wait_until(lambda: tree(prefix, script.pid), "the processes")
        assert script.foreground() == command
        os.kill(command, signal.SIGKILL)
        script.expect_line(f"status={128 + signal.SIGKILL}")
        script.type("typed\n")
        script.expect_line("got=typed")


# --- the window ---


def test_window_size(world, outer):
    outer.type(f"$IN {words(world, commands.tell_size)}; echo status=$?\n")
    outer.expect_line(f"size={t.ROWS}x{t.COLUMNS}")
    outer.resize(50, 300)
    outer.expect_line("size=50x300")
    outer.type("\n")
    outer.expect_line("status=0")


# --- the terminal goes away ---


def test_hang_up_reaches_a_command_in_another_group(world, prefix):
    """The kernel tells the leader of the session, which is we, and the foreground group."""
    path = world.tmp / "hung-up"
    argv = [*world.as_caller(), *prefix, *probes.program(world, commands.leave_group), path]
    with t.Terminal(argv, **runs.environment(world)) as terminal:
        terminal.expect("up\r\n")
        terminal.hang_up()
        terminal.wait()
        assert path.read_text() == str(int(signal.SIGHUP))

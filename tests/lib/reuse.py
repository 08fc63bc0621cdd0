"""Run as the first process of a pid namespace: reuse the target's pid under the program's hands.

usage: reuse.py PROGRAM [ARGUMENT]...
In the arguments PID stands for the pid of the target.
The program is stopped right after it has taken its pidfd; meanwhile the target ends and another
process, with a network namespace of its own, gets its pid. Prints JSON: the program's exit
status and stderr, the pid, and the interfaces of the second process.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import world as w


def holder():
    """A process in a new network namespace, once it is there."""
    process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    return process


def stopped_child(pid):
    """The child of this process, once it has been stopped with its pidfd open."""
    with contextlib.suppress(OSError, IndexError):
        child = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        state = pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        fds = pathlib.Path(f"/proc/{child}/fd")
        if state in "Tt" and any("pidfd" in os.readlink(fd) for fd in fds.iterdir()):
            return int(child)
    return None


def main(*command):
    target = holder()
    gate = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "--inject=pidfd_open:signal=STOP",
                             *(str(target.pid) if a == "PID" else a for a in command)],
                            stderr=subprocess.PIPE)
    stopped = w.wait_until(lambda: stopped_child(gate.pid), "the stop after pidfd_open")
    target.kill()
    target.wait()
    pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(target.pid - 1))
    second = holder()
    os.kill(stopped, signal.SIGCONT)
    _, stderr = gate.communicate(timeout=w.DEADLINE_S)
    links = subprocess.run(["nsenter", f"--target={second.pid}", "--net", "ip", "-j", "link"],
                           capture_output=True, check=True).stdout
    print(json.dumps({"status": gate.returncode, "stderr": stderr.decode(), "pid": target.pid,
                      "reused": second.pid == target.pid,
                      "links": [link["ifname"] for link in json.loads(links)]}))
    second.kill()


main(*sys.argv[1:])

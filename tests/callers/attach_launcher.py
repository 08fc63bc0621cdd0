"""Run a command in bubblewrap with a network from `gate4netns attach`.

    attach_launcher.py BINARY [BWRAP OPTION]... -- COMMAND [ARGUMENT]...

bubblewrap keeps the command back (--block-fd) until the network is up, and attach is told nothing but the
process id that bubblewrap reports (--info-fd): everything else it finds out itself.
"""
import json
import os
import subprocess
import sys

from bwrap_launcher import wait_loopback


def start_network(binary, pid):
    ready_r, ready_w = os.pipe()
    gate = subprocess.Popen([binary, "attach", "--exit-with", f"--ready-fd={ready_w}", str(pid)],
                            pass_fds=[ready_w], stdin=subprocess.DEVNULL)
    os.close(ready_w)
    if os.read(ready_r, 1) != b"1":
        sys.exit(f"the network did not start: status {gate.wait()}")
    return gate


def main(binary, *command):
    info_r, info_w = os.pipe()
    block_r, block_w = os.pipe()
    sandbox = subprocess.Popen(["bwrap", "--info-fd", str(info_w), "--block-fd", str(block_r),
                                *command], pass_fds=[info_w, block_r])
    os.close(info_w)
    os.close(block_r)
    with open(info_r, encoding="utf-8") as info:
        pid = json.load(info)["child-pid"]
    wait_loopback(pid)
    gate = start_network(binary, pid)
    os.write(block_w, b"1")
    status = sandbox.wait()
    if gate.wait() != 0:        # nobody tells it to end: it sees that the sandbox has
        sys.exit(f"the network ended with status {gate.returncode}")
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])

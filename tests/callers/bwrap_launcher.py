"""Run a command in bubblewrap with a network, the way launchers of sandboxes do it by hand.

    bwrap_launcher.py BINARY pid|owner [BWRAP OPTION]... -- COMMAND [ARGUMENT]...

The user namespace of the sandbox is named by the process id, or, where bubblewrap put a
second one into the first, as the owner of the network namespace.
"""
import fcntl
import json
import os
import select
import subprocess
import sys

NS_GET_USERNS = 0xb701
PATIENCE = 2000                 # looks of 10 ms each


def wait_loopback(pid):
    """bubblewrap fails if somebody else brings lo up first, and is not told to wait before that."""
    for _ in range(PATIENCE):
        with open(f"/proc/{pid}/net/fib_trie", encoding="ascii") as addresses:
            if "127.0.0.1" in addresses.read():
                return
        select.select([], [], [], 0.01)
    sys.exit("bubblewrap does not bring lo up")


def user_namespace(how, pid):
    """The value of --userns-path, and the descriptors that it needs."""
    if how == "pid":
        return f"/proc/{pid}/ns/user", []
    net = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    owner = fcntl.ioctl(net, NS_GET_USERNS)
    os.close(net)
    return f"/proc/self/fd/{owner}", [owner]


def start_network(binary, how, pid):
    """Start the binary and wait until it is ready."""
    ready_r, ready_w = os.pipe()
    path, descriptors = user_namespace(how, pid)
    gate = subprocess.Popen([binary, "--configure", "--mtu=65520", "--disable-host-loopback",
                             f"--ready-fd={ready_w}", "--userns-path", path, str(pid), "tap0"],
                            pass_fds=[ready_w, *descriptors], stdin=subprocess.DEVNULL,
                            stdout=sys.stderr)
    os.close(ready_w)
    if os.read(ready_r, 1) != b"1":
        sys.exit(f"the network did not start: status {gate.wait()}")
    return gate


def main(binary, how, *command):
    info_r, info_w = os.pipe()
    block_r, block_w = os.pipe()
    sandbox = subprocess.Popen(["bwrap", "--info-fd", str(info_w), "--block-fd", str(block_r),
                                *command], pass_fds=[info_w, block_r])
    os.close(info_w)
    os.close(block_r)
    with open(info_r, encoding="utf-8") as info:
        pid = json.load(info)["child-pid"]
    wait_loopback(pid)
    gate = start_network(binary, how, pid)
    try:
        os.write(block_w, b"1")
        status = sandbox.wait()
    finally:
        gate.terminate()
        gate.wait()
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Programs that stand for the command of a user: what do signals and the terminal do to them?"""
import os
import select
import signal
import sys

NEVER = {signal.SIGKILL, signal.SIGSTOP}


def tell_signals():
    """Print the number of each signal that comes; a line of input ends it, with status 3."""
    counted = []

    def tell(number, frame):
        counted.append(number)
        print(f"got={number}", flush=True)

    for number in signal.valid_signals() - NEVER - {signal.SIGCHLD, signal.SIGTSTP}:
        signal.signal(number, tell)
    print("up", flush=True)
    sys.stdin.readline()
    print(f"total={len(counted)}", flush=True)
    sys.exit(3)


def tell_size():
    """Print the size of the terminal, and again each time that it changes."""
    def tell(number=None, frame=None):
        columns, rows = os.get_terminal_size(0)
        print(f"size={rows}x{columns}", flush=True)
    signal.signal(signal.SIGWINCH, tell)
    tell()
    sys.stdin.readline()


def leave_group(path):
    """In a process group of its own, which is not the foreground one: write to a file what ends it."""
    def hung_up(number, frame):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(number))
        os._exit(0)
    signal.signal(signal.SIGHUP, hung_up)
    os.setpgid(0, 0)
    print("up", flush=True)
    while True:
        signal.pause()


def tell_inherited():
    """Print what a program is given by whoever executes it, as lines NAME VALUE."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("SigBlk:", "SigIgn:")):
                print(line.rstrip().replace(":", ""))
    with open("/proc/self/limits", encoding="ascii") as limits:
        print("files", next(l.split()[3] for l in limits if l.startswith("Max open files")))
    held = [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]
    print("fds", *sorted(map(int, held)))


def await_interrupt(*argv):
    """Let SIGINT wait for whoever comes next: once there is one, become another program."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    print("up", flush=True)
    while signal.SIGINT not in signal.sigpending():
        select.select([], [], [], 0.01)
    print("pending", flush=True)
    if argv:
        os.execvp(argv[0], argv)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

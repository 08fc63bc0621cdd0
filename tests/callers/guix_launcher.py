"""Start a program where the Guix daemon starts its slirp4netns.

    guix_launcher.py LAST_SYSCALL ID PROGRAM [ARGUMENT]...

It becomes uid 0 (the caller's ID outside) of the innermost of fresh user, mount, pid, ipc and
uts namespaces. The root folder has the machine's mounts read-only, nothing in /etc but
resolv.conf and hosts, an empty /run and a /proc of its own. A seccomp filter leaves the
internet sockets; calls with a number above LAST_SYSCALL do not exist. Output is lost.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL("libseccomp.so.2")

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MS_OF_ST = {os.ST_NOSUID: 2, os.ST_NODEV: 4, os.ST_NOEXEC: 8, os.ST_NOATIME: 1024,
            os.ST_NODIRATIME: 2048, os.ST_RELATIME: 1 << 21}
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 22, 2
ENOSYS, AF_INET, AF_INET6 = 38, 2, 10


def call(name, *args):
    """A C function that reports failure with -1 and errno."""
    args = [os.fsencode(a) if isinstance(a, (str, pathlib.Path)) else a for a in args]
    if getattr(libc, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), f"{name}{args}: {os.strerror(ctypes.get_errno())}")


def in_child(action, *args):
    """Run the rest in a child; end as it ends."""
    pid = os.fork()
    if not pid:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        action(*args)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)


# Namespaces

def unshare_mapped(flags, uid_map, gid_map, setgroups):
    """Enter new namespaces; a child that stays outside writes the maps, as it may need to."""
    start_r, start_w = os.pipe()
    target = os.getpid()
    child = os.fork()
    if not child:
        os.read(start_r, 1)
        entry = pathlib.Path(f"/proc/{target}")
        (entry / "uid_map").write_text(uid_map)
        (entry / "setgroups").write_text(setgroups)
        (entry / "gid_map").write_text(gid_map)
        os._exit(0)
    call("unshare", flags | CLONE_NEWUSER)
    os.write(start_w, b"1")
    os.close(start_r)
    os.close(start_w)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("cannot map the ids")


def identity(kind):
    """The map of this user namespace, every id to itself."""
    lines = [line.split() for line in pathlib.Path(f"/proc/self/{kind}_map").read_text().splitlines()]
    return "".join(f"{first} {first} {count}\n" for first, _, count in lines)


# The root folder

def bind(source, target, read_only=True):
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.readlink(source))
        return
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    call("mount", source, target, None, MS_BIND | MS_REC, None)
    if read_only:
        kept = sum(ms for st, ms in MS_OF_ST.items() if os.statvfs(target).f_flag & st)
        call("mount", source, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, None)


def to_bind(root):
    """Every folder of / and every mount of the machine, but /etc, /run and what is in root."""
    points = {pathlib.Path("/", name) for name in os.listdir("/")}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        points.add(pathlib.Path(line.split()[4].encode().decode("unicode_escape")))
    points -= {pathlib.Path("/")}
    for point in sorted(points):
        if point.parts[1] not in ("etc", "run") and root not in (point, *point.parents):
            with contextlib.suppress(OSError):          # hidden by another mount
                os.lstat(point)
                yield point


def enter_root(root):
    call("mount", None, "/", None, MS_REC | MS_PRIVATE, None)
    call("mount", "none", root, "tmpfs", 0, None)
    for point in to_bind(root):
        if not (root / point.relative_to("/")).is_symlink():
            bind(point, root / point.relative_to("/"))
    for name in ("resolv.conf", "hosts"):
        bind(pathlib.Path("/etc", name).resolve(), root / "etc" / name)
    (root / "run").mkdir(mode=0o700)
    call("mount", "none", root / "proc", "proc", 0, None)
    os.chdir(root)
    os.mkdir("real-root", 0)
    call("pivot_root", ".", "real-root")
    os.chroot(".")
    call("umount2", "real-root", MNT_DETACH)
    os.rmdir("real-root")


# The filter

def number(name):
    return seccomp.seccomp_syscall_resolve_name(name.encode())


def statement(code, value, jump_true=0, jump_false=0):
    return struct.pack("=HBBI", code, jump_true, jump_false, value & 0xffffffff)


def load(offset):
    return statement(0x20, offset)                      # struct seccomp_data: nr, arch, .., args


def errno(value):
    return statement(0x06, 0x00050000 | value)


ALLOW = statement(0x06, 0x7fff0000)


def if_equal(value, body):
    return [statement(0x15, value, 0, len(body)), *body]


def if_above(value, body):
    return [statement(0x25, value, 0, len(body)), *body]


def internet_only(refusal):
    return [load(16), *if_equal(AF_INET, [ALLOW]), *if_equal(AF_INET6, [ALLOW]), errno(refusal)]


def filter_calls(last):
    rules = [load(4), statement(0x15, seccomp.seccomp_arch_native(), 1, 0), errno(ENOSYS), load(0),
             *if_equal(number("socket"), internet_only(ENOSYS)),
             *if_equal(number("socketpair"), internet_only(0)),
             *if_equal(number("ptrace"), [errno(ENOSYS)]),
             *if_above(last, [errno(ENOSYS)]), ALLOW]
    program = ctypes.create_string_buffer(b"".join(rules))
    address = struct.pack("=HxxxxxxQ", len(rules), ctypes.addressof(program))
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address, 0, 0)


# The steps in their order

def become_the_program(last, argv):
    with open(os.devnull, "r+b", buffering=0) as null:
        for stream in (0, 1, 2):
            os.dup2(null.fileno(), stream)
    filter_calls(last)
    os.execv(argv[0], argv)


def inside_namespaces(last, owner, argv):
    os.setsid()
    enter_root(pathlib.Path(os.environ["TMPDIR"]))
    root = os.geteuid() == 0
    setgroups = "allow" if root else "deny"
    unshare_mapped(CLONE_NEWNS, identity("uid"), identity("gid"), setgroups)
    unshare_mapped(0, f"0 {owner} 1", f"0 {owner} 1", setgroups)
    if root:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    become_the_program(last, argv)


def main(last, owner, *argv):
    last = int(last) if last.isdigit() else number(last)
    spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    if os.geteuid():
        one = f"{os.geteuid()} {os.geteuid()} 1"
        unshare_mapped(spaces, one, f"{os.getegid()} {os.getegid()} 1", "deny")
    else:
        call("unshare", spaces)
    in_child(inside_namespaces, last, owner, argv)


if __name__ == "__main__":
    main(*sys.argv[1:])

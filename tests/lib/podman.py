"""Podman with the binary under test as its network, inside a World.

Everything it writes is below the world's temporary folder, every process of it ends with
the CallerSpace. Containers have busybox in /bin and the machine's /usr.
"""
import os
import pathlib
import subprocess

import callers as c
import world as w

# A container with a user namespace may not create these itself
MOUNT_POINTS = ["etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"]
CONTAINER_WHOAMI = [c.PYTHON, "/whoami.py"]


class Podman:
    def __init__(self, space, name_binary=True):
        self.space = space
        self.world = space.world
        self.rootfs = self._make_rootfs(self.world.tmp / "rootfs")
        self.space.run("sh", "-c", "umount --recursive /sys/fs/cgroup;"
                                   "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
        # Where crun keeps its state as root; podman's clean-up knows no option for it
        self.space.run("sh", "-c", "mkdir -p /run/crun && mount -t tmpfs tmpfs /run/crun")
        self.options = ["--cgroup-manager=cgroupfs", "--storage-driver=vfs",
                         "--events-backend=none", f"--root={self.space.home}/storage",
                         f"--runroot={self.space.runtime}/run",
                         f"--tmpdir={self.space.runtime}/tmp"]
        if name_binary:
            self.options.append(f"--network-cmd-path={w.binary()}")
        self._path = {}

    def _make_rootfs(self, root):
        for folder in "bin dev etc home proc run sys tmp usr".split():
            (root / folder).mkdir(parents=True)
        (root / "bin" / "busybox").write_bytes(pathlib.Path("/usr/bin/busybox").read_bytes())
        (root / "bin" / "busybox").chmod(0o755)
        subprocess.run([root / "bin" / "busybox", "--install", "-s", root / "bin"], check=True)
        for name in MOUNT_POINTS:
            (root / name).touch()
        (root / "whoami.py").write_bytes(c.WHOAMI.read_bytes())
        for name in ("lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for path, _, files in os.walk(root):
            for entry in (path, *[os.path.join(path, name) for name in files]):
                self.space.give(entry)
        return root

    def use_path(self, folder):
        """Let podman find slirp4netns in this folder first."""
        self._path = {"path": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}

    def __call__(self, *argv, check=True):
        command = self.space.caller("podman", *self.options, *argv, **self._path)
        return self.space.run(*command, check=check)

    def image(self):
        """The arguments in place of an image; a command follows."""
        return ["--cgroups=disabled", "--log-driver=k8s-file", "--volume=/usr:/usr:ro", "--rootfs",
                str(self.rootfs)]

    def container(self, *options, network="slirp4netns"):
        """The arguments that say which container; its command follows."""
        return [f"--network={network}", *options, *self.image()]

    def run(self, *command, options=(), network="slirp4netns", check=True):
        """One command in a container of its own."""
        return self("run", "--rm", *self.container(*options, network=network), *command,
                    check=check)

    def start(self, name, *options, network="slirp4netns"):
        """A container that serves as a peer until it is stopped."""
        self("run", "--detach", f"--name={name}", *self.container(*options, network=network),
             *CONTAINER_WHOAMI, "serve", c.PORT)
        self.wait_serving(name)

    def wait_serving(self, name, times=1):
        w.wait_until(lambda: self("logs", name).stdout.count("serving") == times,
                     f"the peer in container {name}")

    def peer(self, name, *argv, check=True):
        """Run a client in a container that runs already."""
        done = self("exec", name, *CONTAINER_WHOAMI, *argv, check=check)
        return done.stdout.strip() if check else done

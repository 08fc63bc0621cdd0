"""The shell pipelines by which callers ask what their slirp4netns can do."""
import os
import signal
import subprocess

import pytest
import world as w

PROBES = {
    "dockerd-rootless.sh": "slirp4netns --help | grep -qw -- --netns-type",
    "older dockerd-rootless.sh": "slirp4netns --help | grep -- --disable-host-loopback",
    "feature by version": r"slirp4netns --version | head -1 | grep -oE '[0-9]+\.[0-9]+\.[0-9]+'",
    "libslirp": "slirp4netns --version | grep '^libslirp:'",
    "dns test": "test $(slirp4netns -v | sed -n 's/^SLIRP_CONFIG_VERSION_MAX: //p') -ge 3",
}
HARMLESS = (0, -signal.SIGPIPE)


@pytest.fixture
def environment(tmp_path):
    """The binary is the slirp4netns that PATH has first."""
    (tmp_path / "slirp4netns").symlink_to(os.path.abspath(w.binary()))
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize("probe", PROBES)
def test_probe_succeeds_and_is_silent(environment, probe):
    done = subprocess.run(["sh", "-c", PROBES[probe]], env=environment, capture_output=True,
                          timeout=w.DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_reader_that_is_gone_is_harmless(environment, option):
    """grep -q closes the pipe as soon as it has seen enough."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(["slirp4netns", option], env=environment, stdout=writer,
                          stderr=subprocess.PIPE, timeout=w.DEADLINE_S, check=False)
    os.close(writer)
    assert (done.returncode in HARMLESS, done.stderr) == (True, b"")

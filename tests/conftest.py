import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

import world as w  # noqa: E402

# nohup and a shell's & leave these ignored, and what the tests start would inherit that.
for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """In CI everything that a test needs is installed: there a skip is a failure."""
    if os.environ.get("CI"):
        for item in items:
            for mark in item.iter_markers("skipif"):
                if mark.args and mark.args[0]:
                    pytest.exit(f"{item.nodeid} would be skipped: {mark.kwargs.get('reason')}", 1)


@pytest.fixture(params=["rootful", "rootless"])
def world(request):
    """A fresh world, once as root and once as an ordinary user."""
    with w.World(rootless=request.param == "rootless") as made:
        yield made


@pytest.fixture
def rootless_world():
    with w.World(rootless=True) as made:
        yield made


@pytest.fixture
def rootful_world():
    with w.World(rootless=False) as made:
        yield made


@pytest.fixture(params=["slirp", "native"])
def stack(request, monkeypatch):
    """Whose TCP carries the guest's connections."""
    monkeypatch.setenv("GATE4NETNS_TCP", request.param)
    return request.param


@pytest.fixture(params=["slirp", "native"])
def udp_stack(request, monkeypatch):
    """Whose UDP carries the guest's datagrams."""
    monkeypatch.setenv("GATE4NETNS_UDP", request.param)
    return request.param


@pytest.fixture
def native(monkeypatch):
    """Our own TCP carries the guest's connections."""
    monkeypatch.setenv("GATE4NETNS_TCP", "native")

import pytest

import probes


@pytest.fixture(params=["slirp", "native"])
def stack(request, monkeypatch):
    """Whose TCP carries the guest's connections."""
    monkeypatch.setenv("GATE4NETNS_TCP", request.param)
    return request.param


@pytest.fixture(params=[(), probes.CONFINED], ids=["open", "confined"])
def confinement(request):
    """The options of a traffic test: without and with sandbox and seccomp."""
    return request.param

import pytest

import probes


@pytest.fixture(params=[(), probes.CONFINED], ids=["open", "confined"])
def confinement(request):
    """The options of a test that must hold without and with sandbox and seccomp."""
    return request.param


@pytest.fixture
def sock(world):
    """Where the API socket will be."""
    return world.tmp / "api.sock"

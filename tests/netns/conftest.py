import pytest

import probes


@pytest.fixture(params=[(), probes.CONFINED], ids=["open", "confined"])
def confinement(request):
    """The options of a traffic test: without and with sandbox and seccomp."""
    return request.param

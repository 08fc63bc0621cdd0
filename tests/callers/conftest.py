import contextlib

import pytest

import callers as c
import podman as p


@pytest.fixture
def internet(world):
    """The world with a peer and a name server in the inet namespace."""
    c.serve(world, world.inet, flags=["--dns"])
    return world


@pytest.fixture
def rootless_internet(rootless_world):
    c.serve(rootless_world, rootless_world.inet, flags=["--dns"])
    return rootless_world


@pytest.fixture
def space(internet):
    with contextlib.closing(c.CallerSpace(internet)) as made:
        yield made


@pytest.fixture
def rootless_space(rootless_internet):
    with contextlib.closing(c.CallerSpace(rootless_internet)) as made:
        yield made


@pytest.fixture
def podman(space):
    return p.Podman(space)

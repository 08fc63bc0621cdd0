"""One rootful and one rootless world for the whole folder, made when first asked for."""
import contextlib
import functools

import pytest

import differential


@pytest.fixture(scope="session")
def pairs():
    with contextlib.ExitStack() as stack:
        @functools.lru_cache(maxsize=None)
        def pair(kind):
            made = differential.Pair(kind)
            stack.callback(made.close)
            return made
        yield pair

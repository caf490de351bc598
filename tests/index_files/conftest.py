import os

import pytest

from tests.helpers.postgres import started


@pytest.fixture(scope="module")
def postgres():
    with started() as server:
        yield server


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Returns a function that makes this process, and those that it starts, use the cache of another machine."""

    def become(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return os.environ | {"XDG_CACHE_HOME": str(tmp_path / name)}

    become("first")
    return become

"""Runs of several heads and their indexes."""

import functools
from types import SimpleNamespace

import pytest

from keras_negaposi.retrieval import Index, build_index
from tests.helpers.indexes import HEADS, index_config
from tests.helpers.made_once import made_once
from tests.helpers.runs import QUICK


@pytest.fixture(scope="session")
def made_indexes(tiny, finished_run, tmp_path_factory):
    """Finished runs of `HEADS` and of ``pair``, and the indexes of `HEADS`: folders that the tests do not change."""

    def make(folder):
        for head in ("pair", *HEADS):
            finished_run(folder / "runs" / head, **QUICK, head=head)
        for head in HEADS:  # in float32 so that scores can be compared closely
            build_index(str(folder / "runs" / head), index_config(tiny, folder / "indexes" / head, dtype="float32"))

    folder = made_once(tmp_path_factory, "indexes-of-heads", make)
    return SimpleNamespace(runs=folder / "runs", indexes=folder / "indexes")


@pytest.fixture(scope="session")
def head_runs(made_indexes):
    """The folder of the runs."""
    return made_indexes.runs


@pytest.fixture(scope="session")
def head_indexes(made_indexes):
    """The folder of the indexes."""
    return made_indexes.indexes


@pytest.fixture(scope="module")
def opened(head_indexes):
    """Returns the `Index` of a head, which is opened once for a file of tests."""
    return functools.cache(lambda head: Index(str(head_indexes / head)))

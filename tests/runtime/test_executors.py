"""Tests that every executor gives the same results, and what Beam exchanges."""

import functools

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.runtime.beam import Beam
from keras_negaposi.runtime.executors import in_threads, one_by_one


def times(factor):
    return functools.partial(np.multiply, factor)


def engines(folder):
    return [in_threads, one_by_one, Beam("DirectRunner", [], str(folder))]


def test_results_come_in_the_items_order(tmp_path):
    for engine in engines(tmp_path):
        assert list(engine(functools.partial(times, 3), (number for number in range(100)))) == list(range(0, 300, 3))
        assert list(engine(functools.partial(times, 3), [])) == []
    assert not list(tmp_path.iterdir())


def test_an_error_is_raised(tmp_path):
    for engine in engines(tmp_path):
        with pytest.raises(Exception, match="int"):
            list(engine(functools.partial(int, "x"), [1]))


def test_what_cannot_be_run_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--runner NoRunner: "):
        Beam("NoRunner", [], str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "apache_beam", None)
    with pytest.raises(InputError, match="Apache Beam is missing; pip install"):
        Beam("DirectRunner", [], str(tmp_path))

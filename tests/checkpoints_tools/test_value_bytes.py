"""Values that Beam's workers exchange: equal after decoding, never executed, and rejected if damaged."""

import dataclasses
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.value_bytes import decode, encode
from keras_negaposi.input_pipeline.shard_writer import EXCHANGED as CLASSES
from keras_negaposi.input_pipeline.shard_writer import Shard, ShardStats
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

PIECES = [np.arange(n, dtype=np.int32) for n in (3, 0, 5)]
SHARD = Shard("folder/題.tfrecord", PIECES, *(np.arange(n, n + 4, dtype=np.int32) for n in range(4)))
VALUES = {
    "shard": SHARD,
    "no pieces": dataclasses.replace(SHARD, pieces=[]),
    "written": ShardStats(4, 1, np.arange(9)),
    "texts": ["本文", "", "改\r\n行\u2028\x00", "tree"],
    "pieces": PIECES,
    "rows": [
        {"vector": np.ones((2, 3), np.float16), "mask": np.ones((2, 1), np.int32)},
        {"vector": np.zeros((0, 3), np.float16), "array": np.array(1.5)},
    ],
    "plain": [1, -2.5, None, True, {"dict": {"class": ["x"]}}, []],
    "mixed": [np.arange(2, dtype=np.int32), np.arange(2, dtype=np.int64)],
}


def same(actual, expected):
    if dataclasses.is_dataclass(expected):
        return type(actual) is type(expected) and same(vars(actual), vars(expected))
    if isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(same(actual[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    if isinstance(expected, np.ndarray):
        return actual.dtype == expected.dtype and np.array_equal(actual, expected) and actual.shape == expected.shape
    return type(actual) is type(expected) and actual == expected


@pytest.mark.parametrize("name", VALUES)
def test_decoding_restores_the_value(name):
    assert same(decode(encode(VALUES[name], CLASSES), "file", CLASSES), VALUES[name])


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_decoding_executes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("evil.npy", np.array([Evil()]), allow_pickle=True)
    np.savez("evil.npz", tree=np.array([Evil()], dtype=object))
    for content in (pickle.dumps(Evil()), *(open(name, "rb").read() for name in ("evil.npy", "evil.npz"))):
        with pytest.raises(InputError, match="^item-1: damaged"):
            decode(content, "item-1", CLASSES)
    assert not os.path.exists("evil")
    package = str(Path(__file__).parents[2])
    found = subprocess.run(
        ["grep", "-rnE", "import.*(pickle|marshal|shelve)", "--include=*.py", "keras_negaposi"], cwd=package
    )
    assert found.returncode == 1


@bounded
@given(
    mutations(encode(SHARD, CLASSES), fragments=[b'{"class": "Evil"}', b'{"array": 7}', b"PK\x01\x02", b"\x93NUMPY"])
)
def test_property_of_damaged_values(content):
    found = succeeds_or_explains(lambda: decode(content, "item-1", CLASSES))
    assert "item-1" in str(found) if isinstance(found, InputError) else isinstance(found, Shard)

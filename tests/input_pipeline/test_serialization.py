"""What is written without protobuf, against protobuf; and inputs laid out in bytes, against those of the graph."""

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.input_pipeline.packing import PREPROCESSORS
from keras_negaposi.input_pipeline.serialization import Varints, lay_out, serialize
from keras_negaposi.input_pipeline.token_spans import TokenSpans
from keras_negaposi.input_pipeline.tokenizer import Tokenizer

LENGTH = 37
ROWS = 200
EDGES = [0, 1, 127, 128, 129, 2**14 - 1, 2**14, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**31 - 1]


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])


def by_protobuf(features):
    """Of ``[batch]`` or ``[batch, n]`` by name."""
    for row in range(len(next(iter(features.values())))):
        example = tf.train.Example()
        for name, values in features.items():
            example.features.feature[name].int64_list.value.extend(np.ravel(values[row]).tolist())
        yield example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", ["a", "a name of 128 letters".ljust(128, "x"), "名"])
def test_numbers_are_packed_as_protobuf_does(name):
    numbers = np.array(EDGES)
    packed = Varints.of(numbers)
    features = {name: numbers, "other": numbers[::-1].copy()}
    columns = {name: packed.each(), "other": packed.each()[::-1]}
    assert serialize(columns) == list(by_protobuf(features))
    assert serialize({name: packed.stretches(np.array([0, 3]), np.array([len(EDGES), 2]))}) == [
        *by_protobuf({name: [numbers]}),
        *by_protobuf({name: [numbers[3:5]]}),
    ]


def test_examples_are_serialized_as_protobuf_does():
    features = {"b": np.array([[1, 300, 0], [7, 8, -9]]), "a": np.array([5, 2**31 - 1]), "empty": np.zeros((2, 0), int)}
    columns = {
        name: [Varints.of(np.ravel(row)).data for row in values.astype(np.int32)] for name, values in features.items()
    }
    assert serialize(columns) == list(by_protobuf(features))


def test_of_no_numbers():
    assert Varints.of(np.zeros(0, np.int32)).each() == []
    assert Varints.of(np.array([5])).stretches(np.array([0, 1]), np.array([0, 0])) == [b"", b""]


@pytest.mark.parametrize("truncate_a", ["end", "start"])
@pytest.mark.parametrize("highest", [100, 30_000, 2**21])
@pytest.mark.parametrize("packing", PREPROCESSORS)
def test_bytes_are_those_of_the_graphs_inputs(tokenizer, packing, highest, truncate_a):
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 50, 60).astype(np.int32)
    sizes[:3] = 0, 34, 35
    ids = rng.integers(0, highest, sizes.sum()).astype(np.int32)
    texts = TokenSpans(ids, np.cumsum(sizes, dtype=np.int32) - sizes, sizes)
    a, b = (texts.take(rng.integers(0, len(sizes), ROWS)) for _ in range(2))
    preprocessor = PREPROCESSORS[packing](tokenizer, LENGTH, truncate_a)

    packed = {name: values.numpy() for name, values in preprocessor.pack(a, b).items()}
    truncated = packed.pop("truncated")
    inputs, cut = preprocessor.cut(a, b)
    np.testing.assert_array_equal(cut, truncated)
    columns = {}
    for prefix, parts in inputs.items():
        features, lengths = lay_out(Varints.of(ids), parts, tokenizer.cls_id, tokenizer.sep_id, LENGTH)
        columns |= {prefix + name: rows for name, rows in features.items()}
        np.testing.assert_array_equal(lengths, packed[f"{prefix}input_mask"].sum(axis=1))
    assert 0 < truncated.sum() < ROWS
    assert serialize(columns) == list(by_protobuf(packed))

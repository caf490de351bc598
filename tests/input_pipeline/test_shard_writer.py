"""The bytes of a serialized pair; a shard has the same inputs, lengths and truncated pairs as the graph."""

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL, TRUNCATED, serialize
from keras_negaposi.input_pipeline.packing import PREPROCESSORS
from keras_negaposi.input_pipeline.shard_writer import Shard, ShardWriter
from keras_negaposi.input_pipeline.token_spans import TokenSpans
from keras_negaposi.tokenizers.sentencepiece import Tokenizer

LENGTH = 37
ROWS = 200
EDGES = [0, 1, 127, 128, 129, 2**14 - 1, 2**14, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**31 - 1]
GOLDEN = (
    "0a85010a170a0d6578616d706c655f696e64657812061a040a02ac020a170a0a696e7075745f6d61736b12091a070a0501010101000a1b0a0e"
    "696e7075745f747970655f69647312091a070a0500000101000a200a0e696e7075745f776f72645f696473120e1a0c0a0a04fff90180808001"
    "05000a120a096c6162656c5f69647312051a030a0101"
)
"""Bytes that earlier versions wrote for the features of `test_bytes_are_those_of_earlier_versions`."""


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])


def by_protobuf(features):
    """Builds a new message for each row of the features, ``[batch]`` or ``[batch, n]`` by name."""
    for row in range(len(next(iter(features.values())))):
        example = tf.train.Example()
        for name, values in features.items():
            example.features.feature[name].int64_list.value.extend(np.ravel(values[row]).tolist())
        yield example.SerializeToString(deterministic=True)


def test_bytes_are_those_of_earlier_versions():
    features = {
        "input_word_ids": np.array([[4, 31999, 2**21, 5, 0]]),
        "input_mask": np.array([[1, 1, 1, 1, 0]]),
        "input_type_ids": np.array([[0, 0, 1, 1, 0]]),
        LABEL: np.array([1]),
        INDEX: np.array([300]),
    }
    assert [example.hex() for example in serialize(features)] == [GOLDEN]


@pytest.mark.parametrize("name", ["a", "a name of 128 letters".ljust(128, "x"), "名"])
def test_numbers_of_all_sizes_can_be_parsed(name):
    features = {name: np.array([EDGES, EDGES[::-1]]), "other": np.array(EDGES[:2])}
    serialized = list(serialize(features))
    assert serialized == list(by_protobuf(features))
    assert list(serialize({name: np.array(EDGES)})) == list(by_protobuf({name: np.array(EDGES)}))
    specification = {name: tf.io.FixedLenFeature((len(EDGES),), tf.int64)}
    parsed = tf.io.parse_example(serialized, specification)
    np.testing.assert_array_equal(parsed[name], features[name])


def test_no_value_of_a_row_remains_in_the_next():
    features = {"b": np.array([[1, 300, 0], [7, 8, -9]]), "a": np.array([5, 2**31 - 1]), "empty": np.zeros((2, 0), int)}
    assert list(serialize(features)) == list(by_protobuf(features))


def test_no_pairs_and_no_numbers():
    assert list(serialize({"a": np.zeros(0, np.int32)})) == []
    assert list(serialize({"a": np.zeros((2, 0), np.int32)})) == list(by_protobuf({"a": np.zeros((2, 0), np.int32)}))


@pytest.mark.parametrize("truncate_a", ["end", "start"])
@pytest.mark.parametrize("highest", [100, 30_000, 2**21])
@pytest.mark.parametrize("packing", PREPROCESSORS)
def test_a_shard_holds_the_graphs_inputs(tokenizer, packing, highest, truncate_a, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_negaposi.input_pipeline.shard_writer.BATCH", 70)
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 50, 60).astype(np.int32)
    sizes[:3] = 0, 34, 35
    ids = rng.integers(0, highest, sizes.sum()).astype(np.int32)
    texts = TokenSpans(ids, np.cumsum(sizes, dtype=np.int32) - sizes, sizes)
    a, b = (rng.integers(0, len(sizes), ROWS).astype(np.int32) for _ in range(2))
    labels, indexes = rng.integers(0, 2, ROWS).astype(np.int32), np.arange(7, 7 + ROWS, dtype=np.int32)
    preprocessor = PREPROCESSORS[packing](tokenizer, LENGTH, truncate_a)

    packed = {name: values.numpy() for name, values in preprocessor.pack(texts.take(a), texts.take(b)).items()}
    truncated = packed.pop(TRUNCATED)
    path = str(tmp_path / "x.tfrecord")
    stats = ShardWriter(preprocessor)(Shard(path, np.split(ids, np.cumsum(sizes)[:-1]), a, b, labels, indexes))
    written = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    assert written == list(by_protobuf(packed | {LABEL: labels, INDEX: indexes}))
    assert 0 < truncated.sum() < ROWS
    assert (stats.pairs, stats.truncated) == (ROWS, truncated.sum())
    lengths = np.concatenate([packed[name].sum(axis=1) for name in packed if name.endswith("input_mask")])
    np.testing.assert_array_equal(stats.lengths, np.bincount(lengths, minlength=LENGTH + 1))

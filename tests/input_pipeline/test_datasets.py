"""Batches: each pair once and equal to the graph's inputs, of similar length, in a seeded order."""

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.input_pipeline.bucketing import boundaries
from keras_negaposi.input_pipeline.datasets import BatchOptions, eval_dataset, train_dataset
from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL
from tests.helpers.batches import in_order


@pytest.mark.parametrize("length_buckets", [1, 4])
@pytest.mark.parametrize(
    ("part", "batch_size"), [("dev", 1), ("train", 7), ("test", 60), ("test", 1000)]
)  # 60 is the number of test pairs
@pytest.mark.parametrize("packing", ["together", "apart"])
def test_every_pair_occurs_once_and_unchanged(inputs, records, apart, packing, part, batch_size, length_buckets):
    inputs, records = (inputs, records) if packing == "together" else apart
    pairs = inputs.split.parts[part]
    batches = list(eval_dataset(records, part, batch_size, length_buckets).as_numpy_iterator())
    assert {batch[INDEX].shape for batch in batches} == {(batch_size,)}  # so only few shapes occur
    assert not any(value[batch[INDEX] < 0].any() for batch in batches for name, value in batch.items() if name != INDEX)
    assert {value.dtype for batch in batches for value in batch.values()} == {np.dtype(np.int32)}
    sides = [[inputs.data.texts[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True)]
    packed = inputs.preprocessor(*map(tf.constant, sides))
    expected = {name: packed[name].numpy() for name in inputs.preprocessor.layout.inputs}
    expected |= {LABEL: np.array([pair.label for pair in pairs]), INDEX: np.arange(len(pairs))}
    assert in_order(batches) == in_order([expected])
    assert len(in_order(batches)) == len(pairs)


def test_a_batch_is_as_long_as_its_bucket(apart):
    _, records = apart
    bounds = records.buckets(3).boundaries
    assert len(bounds) > 1 and bounds[-1] == 29  # the longest input, not rounded up further
    seen = set()
    for features, _ in train_dataset(records, BatchOptions(8, length_buckets=3)).take(30).as_numpy_iterator():
        for side in "ab":
            mask = features[f"{side}_input_mask"]
            below = [bound for bound in (0, *bounds) if bound < mask.shape[1]]
            assert mask.shape[1] in bounds and (mask.sum(axis=1) > below[-1]).all()
            seen.add((side, mask.shape[1]))
    assert len(seen) == 2 * len(bounds)


def test_constant_tokens(apart):
    _, records = apart
    batches = train_dataset(records, BatchOptions(16, length_buckets=3, constant_tokens=True, shares=2))
    tokens, pairs = [], []
    for features, labels in batches.take(60).as_numpy_iterator():
        tokens.append(labels.size * sum(features[f"{side}_input_mask"].shape[1] for side in "ab"))
        pairs.append(labels.size)
    assert all(count % 2 == 0 for count in pairs) and min(pairs) < 16 < max(pairs)
    assert np.ptp(tokens) < 0.3 * np.mean(tokens)  # two pairs more or fewer
    assert np.mean(pairs) == pytest.approx(16, rel=0.15)
    first, _ = next(iter(train_dataset(records, BatchOptions(16, length_buckets=1, constant_tokens=True))))
    assert len(first["a_input_mask"]) == 16


@pytest.mark.parametrize("length_buckets", [1, 4])
def test_every_pass_holds_every_pair(records, length_buckets):
    """Except pairs that wait until a batch of their length is full."""
    batch_size, passes = 4, 5
    count = records.counts["train"]
    dataset = train_dataset(records, BatchOptions(batch_size, length_buckets=length_buckets))
    seen = np.zeros(count, int)
    texts = {
        tuple(row["input_word_ids"]): n
        for n, row in enumerate(in_order(eval_dataset(records, "train", 8).as_numpy_iterator()))
    }
    for features, _ in dataset.take(passes * count // batch_size).as_numpy_iterator():
        for ids, mask in zip(features["input_word_ids"], features["input_mask"], strict=True):
            seen[texts[tuple(ids[: mask.sum()])]] += 1
    assert seen.sum() == passes * count // batch_size * batch_size
    assert passes - 1 <= seen.min() and seen.max() <= passes + 1


@pytest.mark.parametrize(
    ("lengths", "buckets", "expected"),
    [
        ([10, 20, 30, 40], 1, (40,)),
        ([10, 20, 30, 40], 2, (24, 40)),
        ([10, 20, 30, 40], 4, (16, 24, 32, 40)),
        ([10, 11, 12, 99], 2, (16, 100)),
        ([7] * 9, 4, (8,)),
        ([], 4, (100,)),
    ],
)
def test_boundaries(lengths, buckets, expected):
    assert boundaries(np.bincount(np.array(lengths, int), minlength=101), buckets) == expected


@pytest.mark.parametrize("length_buckets", [1, 3])
def test_training_order_is_seeded_and_differs_between_passes(records, length_buckets):
    def labels(seed, skip=0):
        dataset = train_dataset(records, BatchOptions(8, seed, skip, length_buckets)).take(
            2 * records.counts["train"] // 8 - skip
        )
        return [features["input_word_ids"].tolist() for features, _ in dataset.as_numpy_iterator()]

    first = labels(0)
    assert first == labels(0) != labels(1)
    assert first[5:] == labels(0, skip=5)
    half = len(first) // 2
    assert first[:half] != first[half : 2 * half]

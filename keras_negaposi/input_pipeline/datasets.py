"""TFRecords as batches of pairs of similar length: endless and shuffled for training, each pair once for scoring."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL, Features
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.runtime.tf_functions import plain

SHUFFLE_BUFFER = 100_000
"""Pairs held in memory for shuffling: for most data sets, all of them."""
EVAL_BUCKETS = 3
"""Boundaries of lengths for scoring: few, because the last batch of each bucket is padded with empty pairs."""


def train_dataset(
    records: Records,
    batch_size: int,
    seed: int,
    skip_steps: int = 0,
    targets: np.ndarray | None = None,
    length_buckets: int = 1,
    constant_tokens: bool = False,
    devices: int = 1,
) -> tf.data.Dataset:
    """Returns endless shuffled batches of (model inputs, labels); each pass has its own order, fixed by ``seed``.

    Args:
        records: records whose ``train`` part is read, and the part `UNLABELLED` if there is one.
        batch_size: pairs per batch over all devices; a batch may span two passes, so every batch is full.
        seed: seed of the order.
        skip_steps: number of batches that a resumed run has already used.
        targets: soft labels, ``float32 [pairs, 2]`` in the records' order, used instead of the labels.
        length_buckets: number of boundaries for batches of similar length; with 1, pairs are batched as they come.
        constant_tokens: whether batches of short pairs hold more pairs and those of long pairs fewer; the average is
            ``batch_size``.
        devices: devices that share a batch evenly.
    """
    # Read and shuffle the serialized pairs, which are smaller than their features.
    parts = [part for part in ("train", UNLABELLED) if part in records.counts]
    dataset = tf.data.TFRecordDataset([file for part in parts for file in records.files(part)])
    buffer = min(records.train_count, SHUFFLE_BUFFER)
    dataset = dataset.shuffle(buffer, seed, reshuffle_each_iteration=True).repeat()

    # Parse them and group them by length.
    buckets = records.buckets(length_buckets)
    sizes = buckets.constant_tokens(records.lengths, batch_size, devices) if constant_tokens else batch_size
    dataset = buckets.batches(dataset.map(plain(records.parse)), sizes, full=True)

    def split_label(features: Features) -> tuple[Features, tf.Tensor]:
        label = features[LABEL] if targets is None else tf.gather(targets, features[INDEX])
        return records.inputs(features), label

    return dataset.skip(skip_steps).map(plain(split_label)).prefetch(2)


def eval_dataset(records: Records, part: str, batch_size: int, length_buckets: int = EVAL_BUCKETS) -> tf.data.Dataset:
    """Returns batches of all features, each of pairs of similar length; `INDEX` tells their order.

    Incomplete batches are filled with empty pairs of index -1, so that only few shapes occur.
    """
    examples = tf.data.TFRecordDataset(records.files(part)).map(plain(records.parse))
    dataset = records.buckets(length_buckets).batches(examples, batch_size)

    def fill(features: Features) -> Features:
        missing = batch_size - tf.shape(features[INDEX])[0]

        def widen(name: str, value: tf.Tensor) -> tf.Tensor:
            padding = [[0, missing]] + [[0, 0]] * (value.shape.rank - 1)
            wide = tf.pad(value, padding, constant_values=-1 if name == INDEX else 0)
            return tf.ensure_shape(wide, [batch_size, *value.shape[1:]])

        return {name: widen(name, value) for name, value in features.items()}

    return dataset.map(plain(fill)).prefetch(2)

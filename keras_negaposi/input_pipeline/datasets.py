"""TFRecords as batches of pairs of similar length: endless and shuffled for training, each pair once for scoring."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.input_pipeline.bucketing import LengthBuckets
from keras_negaposi.input_pipeline.feature_spec import DOCUMENTS, INDEX, LABEL, Features
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.runtime.tf_functions import plain

SHUFFLE_BUFFER = 100_000
"""Pairs held in memory for shuffling: for most data sets, all of them."""
EVAL_BUCKETS = 3
"""Boundaries of lengths for scoring: few, because the last batch of each bucket is padded with empty pairs."""


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """How `train_dataset` shuffles and batches the pairs.

    Attributes:
        batch_size: over all devices; a batch may span two passes, so that it is always full.
        seed: of the order.
        skip_steps: number of batches that a resumed run has seen already.
        length_buckets: number of length ranges that batches are taken from; with 1, lengths are mixed.
        constant_tokens: batches of short pairs hold more pairs and batches of long pairs fewer; ``batch_size`` is the
            mean.
        shares: number of equal shares into which every batch can be divided.
    """

    batch_size: int
    seed: int = 0
    skip_steps: int = 0
    length_buckets: int = 1
    constant_tokens: bool = False
    shares: int = 1


@dataclasses.dataclass(frozen=True)
class ChosenBatches:
    """Batches that are chosen pair by pair, for the in-batch loss.

    Attributes:
        rows: positions in the records' order of the pairs of each batch, ``int64 [batches, batch_size]``.
        documents: numbers of the documents of A and of B of each pair, ``int32 [pairs, 2]``, in the records' order.
    """

    rows: np.ndarray
    documents: np.ndarray


def train_dataset(
    records: Records,
    options: BatchOptions,
    targets: np.ndarray | None = None,
    chosen: ChosenBatches | None = None,
) -> tf.data.Dataset:
    """Returns endless shuffled batches of (model inputs, labels); ``options.seed`` determines the order of each pass.

    Args:
        records: the ``train`` part is read, and the `UNLABELLED` part if there is one.
        options: order and size of the batches.
        targets: ``float32 [pairs, 2]`` in the records' order, used instead of the labels.
        chosen: the batches, in place of shuffled ones; their inputs also contain `DOCUMENTS` and `LABEL`. Of
            ``options``, only ``skip_steps`` and ``length_buckets`` count then; after the last one, the first follows.
    """
    parts = [part for part in ("train", UNLABELLED) if part in records.counts]
    serialized = tf.data.TFRecordDataset([file for part in parts for file in records.files(part)])
    buckets = records.buckets(options.length_buckets)
    if chosen:
        dataset = _chosen_batches(serialized, records, chosen, options.skip_steps).map(plain(buckets.cut_batch))
    else:
        dataset = _shuffled_batches(serialized, records, options, buckets).skip(options.skip_steps)

    def split_label(features: Features) -> tuple[Features, tf.Tensor]:
        label = features[LABEL] if targets is None else tf.gather(targets, features[INDEX])
        more = {}
        if chosen:
            documents = tf.unstack(tf.gather(chosen.documents, features[INDEX]), axis=1)
            more = {LABEL: features[LABEL], **dict(zip(DOCUMENTS, documents, strict=True))}
        return records.inputs(features) | more, label

    return dataset.map(plain(split_label)).prefetch(2)


def _shuffled_batches(
    serialized: tf.data.Dataset, records: Records, options: BatchOptions, buckets: LengthBuckets
) -> tf.data.Dataset:
    """Shuffles the serialized pairs, which are smaller than their features, parses them and groups them by length."""
    buffer = min(records.train_count, SHUFFLE_BUFFER)
    dataset = serialized.shuffle(buffer, options.seed, reshuffle_each_iteration=True).repeat()
    sizes: int | Sequence[int] = options.batch_size
    if options.constant_tokens:
        sizes = buckets.constant_tokens(records.lengths, options.batch_size, options.shares)
    return buckets.batches(dataset.map(plain(records.parse)), sizes, full=True)


def _chosen_batches(
    serialized: tf.data.Dataset, records: Records, chosen: ChosenBatches, skip_steps: int
) -> tf.data.Dataset:
    """Holds all serialized pairs in memory, and parses those of each batch."""
    with_positions = serialized.map(plain(lambda one: (records.parse(one)[INDEX], one)))
    pairs = tf.constant([one for _, one in sorted(with_positions.as_numpy_iterator())])
    size = chosen.rows.shape[1]
    rows = tf.data.Dataset.from_tensor_slices(chosen.rows.ravel()).repeat().skip(skip_steps * size)
    return rows.map(plain(lambda row: records.parse(tf.gather(pairs, row)))).batch(size, drop_remainder=True)


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

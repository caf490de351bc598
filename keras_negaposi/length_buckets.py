"""Batches of pairs of similar length, so that little of a batch is padding.

Lengths are rounded up to a few boundaries, the same for A and B, so that few shapes occur and each is compiled once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.features import ENCODER_INPUTS, Features

MULTIPLE = 8
"""Of boundaries: what vector units and TPU tiles like."""

Parse = Callable[[tf.Tensor], Features]
"""``string [batch]``, serialized examples, as features."""


@dataclasses.dataclass(frozen=True)
class LengthBuckets:
    """A bucket holds the pairs whose inputs have lengths between the same boundaries.

    Attributes:
        prefixes: of the names of the inputs: of the pair's one, or of A's and of B's.
        boundaries: lengths in pieces, ascending; no input is longer than the last.
    """

    prefixes: tuple[str, ...]
    boundaries: tuple[int, ...]

    def batches(self, serialized: tf.data.Dataset, batch_size: int, parse: Parse) -> tf.data.Dataset:
        """Examples, ``string []`` each, as batches of features of one bucket each, in the order in which they fill.

        The examples of a batch are in the order in which they came. At the end those of the buckets that are not full
        make smaller batches. Features are ``int32 [batch, boundary]``, or ``[batch]``.
        """

        def batch(bucket: tf.Tensor, window: tf.data.Dataset) -> tf.data.Dataset:
            return window.batch(batch_size).map(lambda examples: self._cut(parse(examples), bucket))

        return serialized.group_by_window(
            lambda example: self._bucket(parse(example[tf.newaxis])), batch, window_size=batch_size
        )

    def _bucket(self, features: Features) -> tf.Tensor:
        """``int64 []``, the number of a single pair's bucket: a digit an input."""
        number = tf.zeros([], tf.int64)
        for prefix in self.prefixes:
            lengths = tf.reduce_sum(features[f"{prefix}input_mask"], axis=1)
            digit = tf.searchsorted(tf.constant(self.boundaries, tf.int32), lengths, out_type=tf.int64)[0]
            number = number * len(self.boundaries) + digit
        return number

    def _cut(self, features: Features, bucket: tf.Tensor) -> Features:
        """Takes off the padding beyond the bucket's boundaries."""
        cut = dict(features)
        for prefix in reversed(self.prefixes):
            boundary = tf.gather(self.boundaries, bucket % len(self.boundaries))
            bucket //= len(self.boundaries)
            cut |= {prefix + name: features[prefix + name][:, :boundary] for name in ENCODER_INPUTS}
        return cut


def boundaries(counts: Sequence[int], buckets: int) -> tuple[int, ...]:
    """Lengths that part all inputs into ``buckets`` equal shares, rounded up to `MULTIPLE`; repeats are dropped.

    Args:
        counts: of inputs by length, from 0 to ``max_seq_length``.
        buckets: shares wanted; with 1 only the longest input's length is given.
    """
    lengths = np.repeat(np.arange(len(counts)), counts)
    if not len(lengths):
        return (len(counts) - 1,)
    shares = np.quantile(lengths, np.arange(1, buckets + 1) / buckets, method="inverted_cdf")
    rounded = np.minimum(-(-shares // MULTIPLE) * MULTIPLE, len(counts) - 1)
    return tuple(int(length) for length in np.unique(rounded))

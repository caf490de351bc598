"""Batches of pairs of similar length, so that little of a batch is padding.

Lengths are rounded up to a few boundaries, the same for A and B, so that few shapes occur and each is compiled once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.features import Features, cut
from keras_negaposi.graphs import plain

MULTIPLE = 8
"""Of boundaries: what vector units and TPU tiles like."""


@dataclasses.dataclass(frozen=True)
class LengthBuckets:
    """A bucket holds the pairs whose inputs have lengths between the same boundaries.

    Attributes:
        prefixes: of the names of the inputs: of the pair's one, or of A's and of B's.
        boundaries: lengths in pieces, ascending; no input is longer than the last.
    """

    prefixes: tuple[str, ...]
    boundaries: tuple[int, ...]

    def batches(self, examples: tf.data.Dataset, batch_size: int, full: bool = False) -> tf.data.Dataset:
        """Features of single pairs as batches of one bucket each, in the order in which they fill.

        The pairs of a batch are in the order in which they came. At the end those of the buckets that are not full
        make smaller batches, or with ``full`` none. Features are ``int32 [seq]`` or ``[]``, in a batch
        ``[batch, boundary]`` or ``[batch]``; with one boundary that is a static shape.
        """
        if len(self.boundaries) == 1:
            lengths = dict.fromkeys(self.prefixes, self.boundaries[0])
            return examples.batch(batch_size, drop_remainder=full).map(plain(lambda features: cut(features, lengths)))

        def batch(bucket: tf.Tensor, window: tf.data.Dataset) -> tf.data.Dataset:
            batched = window.batch(batch_size, drop_remainder=full)
            return batched.map(plain(lambda features: cut(features, self._lengths(bucket))))

        return examples.group_by_window(plain(self._bucket), plain(batch), window_size=batch_size)

    def _bucket(self, features: Features) -> tf.Tensor:
        """``int64 []``, the number of a pair's bucket: a digit an input."""
        lengths = [tf.reduce_sum(features[f"{prefix}input_mask"]) for prefix in self.prefixes]
        number = tf.zeros([], tf.int64)
        for digit in tf.unstack(tf.searchsorted(self.boundaries, lengths, out_type=tf.int64)):
            number = number * len(self.boundaries) + digit
        return number

    def _lengths(self, bucket: tf.Tensor) -> dict[str, tf.Tensor]:
        """The boundary of each input, by prefix."""
        lengths = {}
        for prefix in reversed(self.prefixes):
            lengths[prefix] = tf.gather(self.boundaries, bucket % len(self.boundaries))
            bucket //= len(self.boundaries)
        return lengths


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

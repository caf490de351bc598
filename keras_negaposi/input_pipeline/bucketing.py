"""Batches of pairs of similar length, so that little of a batch is padding.

Lengths are rounded up to a few boundaries, the same for A and B, so that few shapes occur and each is compiled once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import Features, cut
from keras_negaposi.runtime.tf_functions import plain

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

    def batches(
        self, examples: tf.data.Dataset, batch_size: int | Sequence[int], full: bool = False
    ) -> tf.data.Dataset:
        """Features of single pairs as batches of one bucket each, in the order in which they fill.

        The pairs of a batch are in the order in which they came. At the end those of the buckets that are not full
        make smaller batches, or with ``full`` none. Features are ``int32 [seq]`` or ``[]``, in a batch
        ``[batch, boundary]`` or ``[batch]``; with one boundary and one ``batch_size`` that is a static shape.

        Args:
            examples: single pairs.
            batch_size: pairs a batch; or those of each bucket, as `constant_tokens` gives them.
            full: whether what does not fill a batch is left out.
        """

        def size(bucket: tf.Tensor) -> tf.Tensor | int:
            return batch_size if isinstance(batch_size, int) else tf.gather(tf.constant(batch_size, tf.int64), bucket)

        def batch(bucket: tf.Tensor, window: tf.data.Dataset) -> tf.data.Dataset:
            batched = window.batch(size(bucket), drop_remainder=full)
            return batched.map(plain(lambda features: cut(features, self._lengths(bucket))))

        if len(self.boundaries) == 1:
            lengths = dict.fromkeys(self.prefixes, self.boundaries[0])
            batched = examples.batch(size(0), drop_remainder=full)
            return batched.map(plain(lambda features: cut(features, lengths)))
        sizes = {"window_size": size(0)} if isinstance(batch_size, int) else {"window_size_func": plain(size)}
        return examples.group_by_window(plain(self._bucket), plain(batch), **sizes)

    def constant_tokens(self, counts: Sequence[int], batch_size: int, devices: int = 1) -> list[int]:
        """Pairs a batch of each bucket, so that all batches have about as many tokens, padding included.

        Args:
            counts: of inputs by length, as `boundaries` takes them.
            batch_size: pairs that batches have on average.
            devices: that share each batch evenly.
        """
        places = np.searchsorted(self.boundaries, np.repeat(np.arange(len(counts)), counts))
        tokens = batch_size * len(self.prefixes) * np.take(self.boundaries, places).mean()
        buckets = itertools.product(self.boundaries, repeat=len(self.prefixes))
        return [max(1, round(tokens / sum(lengths) / devices)) * devices for lengths in buckets]

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

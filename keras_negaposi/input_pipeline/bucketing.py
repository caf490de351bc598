"""Batches of pairs of similar length, which need little padding.

Lengths are rounded up to a few boundaries, the same for A and B, so that only a few shapes occur and each is compiled
once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import MASK_INPUT, Features, cut
from keras_negaposi.runtime.tf_functions import plain

MULTIPLE = 8
"""Boundaries are multiples of it, which suits vector units and TPU tiles."""


@dataclasses.dataclass(frozen=True)
class LengthBuckets:
    """Buckets of pairs: the inputs of the pairs in one bucket have lengths between the same boundaries.

    Attributes:
        prefixes: prefixes of the inputs' names: one for the joint layout, one each for A and B for the separate one.
        boundaries: lengths in pieces, ascending; no input is longer than the last.
    """

    prefixes: tuple[str, ...]
    boundaries: tuple[int, ...]

    def batches(
        self, examples: tf.data.Dataset, batch_size: int | Sequence[int], full: bool = False
    ) -> tf.data.Dataset:
        """Groups single pairs into batches that come from one bucket each, in the order in which they fill.

        Within a batch the pairs keep their order. At the end, buckets that are not full give smaller batches, or none
        with ``full``. Features are ``int32 [seq]`` or ``[]``, in a batch ``[batch, boundary]`` or ``[batch]``; with
        one boundary and one ``batch_size`` that shape is static.

        Args:
            examples: features of single pairs.
            batch_size: pairs per batch, or one such number for each bucket, as `constant_tokens` returns them.
            full: whether to drop incomplete batches.
        """

        def size(bucket: tf.Tensor | int) -> tf.Tensor | int:
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

    def cut_batch(self, features: Features) -> Features:
        """Cuts each input of a batch to the lowest boundary that its longest text does not exceed."""

        def boundary(prefix: str) -> tf.Tensor | int:
            longest = tf.reduce_max(tf.reduce_sum(features[prefix + MASK_INPUT], axis=1))
            return tf.gather(self.boundaries, tf.searchsorted(self.boundaries, [longest])[0])

        if len(self.boundaries) == 1:
            return cut(features, dict.fromkeys(self.prefixes, self.boundaries[0]))
        return cut(features, {prefix: boundary(prefix) for prefix in self.prefixes})

    def constant_tokens(self, counts: Sequence[int], batch_size: int, devices: int = 1) -> list[int]:
        """Returns the pairs per batch of each bucket for which all batches have about as many tokens, with padding.

        Args:
            counts: number of inputs by length, as for `boundaries`.
            batch_size: average number of pairs per batch.
            devices: devices that share each batch evenly.
        """
        places = np.searchsorted(self.boundaries, np.repeat(np.arange(len(counts)), counts))
        tokens = batch_size * len(self.prefixes) * np.take(self.boundaries, places).mean()
        buckets = itertools.product(self.boundaries, repeat=len(self.prefixes))
        return [max(1, round(tokens / sum(lengths) / devices)) * devices for lengths in buckets]

    def _bucket(self, features: Features) -> tf.Tensor:
        """Returns the number of a pair's bucket, ``int64 []``, with one digit for each input."""
        lengths = [tf.reduce_sum(features[prefix + MASK_INPUT]) for prefix in self.prefixes]
        number = tf.zeros([], tf.int64)
        for digit in tf.unstack(tf.searchsorted(self.boundaries, lengths, out_type=tf.int64)):
            number = number * len(self.boundaries) + digit
        return number

    def _lengths(self, bucket: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns each input's boundary by prefix: `_bucket` in reverse."""
        lengths = {}
        for prefix in reversed(self.prefixes):
            lengths[prefix] = tf.gather(self.boundaries, bucket % len(self.boundaries))
            bucket //= len(self.boundaries)
        return lengths


def boundaries(counts: Sequence[int], buckets: int) -> tuple[int, ...]:
    """Returns quantiles of the lengths, rounded up to `MULTIPLE` and without repeats.

    Args:
        counts: number of inputs by length, from 0 to ``max_seq_length``.
        buckets: number of quantiles; with 1, only the longest input's length is returned.
    """
    lengths = np.repeat(np.arange(len(counts)), counts)
    if not len(lengths):
        return (len(counts) - 1,)
    quantiles = np.quantile(lengths, np.arange(1, buckets + 1) / buckets, method="inverted_cdf")
    rounded = np.minimum(-(-quantiles // MULTIPLE) * MULTIPLE, len(counts) - 1)
    return tuple(int(length) for length in np.unique(rounded))

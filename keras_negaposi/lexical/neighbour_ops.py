"""The features that compare a pair with other pages, as TensorFlow ops: the same as `neighbours.neighbour_columns`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_negaposi.lexical.neighbours import COUNTED, SMALL
from keras_negaposi.lexical.page_vectors import NEAREST, SAME, PageVectors


class NeighbourColumns(tf.Module):
    """Computes the features `NEIGHBOUR_FEATURES` of pairs by terms of one kind.

    Args:
        pages: of the corpus. Their vectors become variables, which a SavedModel stores.
        kind: of the terms, for the variables' names.
    """

    def __init__(self, pages: PageVectors, kind: str) -> None:
        super().__init__(name=f"neighbours_{kind.replace(' ', '_').replace('-', '_')}")
        self._number = pages.postings.shape[1]
        self._starts = _variable(pages.postings.indptr.astype(np.int32), f"{self.name}_starts")
        self._pages = _variable(pages.postings.indices.astype(np.int32), f"{self.name}_pages")
        self._weights = _variable(pages.postings.data.astype(np.float16), f"{self.name}_weights")
        self._squares = _variable(pages.squares, f"{self.name}_squares")

    def __call__(
        self, texts: tf.Tensor, buckets: tf.Tensor, values: tf.Tensor, pairs: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Computes the features, ``float32 [pairs]`` each, and whether A and B are pages, ``float32 [pairs]``.

        Args:
            texts: text of each value of the TF-IDF vectors, ``int64 [values]``: first all A, then all B.
            buckets: ``int64 [values]``.
            values: ``float32 [values]``.
            pairs: number of pairs, ``int64 []``.
        """
        # 1. Cosines of all texts with all pages, from the terms that few pages have.
        starts, ends = tf.gather(self._starts, buckets), tf.gather(self._starts, buckets + 1)
        places = tf.ragged.range(starts, ends)
        owners = places.value_rowids()
        products = tf.gather(values, owners) * tf.cast(tf.gather(self._weights, places.flat_values), tf.float32)
        pages = tf.cast(tf.gather(self._pages, places.flat_values), tf.int64)
        cosines = tf.math.unsorted_segment_sum(
            products, tf.gather(texts, owners) * self._number + pages, 2 * pairs * self._number
        )
        cosines = tf.reshape(cosines, [2 * pairs, self._number])

        # 2. The pages that are the text itself, and by how much the nearest others exceed the rest.
        rare = tf.where(ends > starts, values, tf.zeros_like(values))
        squares = tf.math.unsorted_segment_sum(rare * rare, texts, 2 * pairs)
        distances = squares[:, tf.newaxis] + self._squares - 2 * cosines
        is_other = (distances >= SAME) | (cosines == 0)
        is_page, other = ~tf.reduce_all(is_other, 1), tf.cast(is_other, tf.float32)
        cosines *= other
        if self._number >= NEAREST:
            least = tf.math.top_k(cosines, NEAREST).values[:, -1]
        else:
            least = tf.zeros([2 * pairs])
        excess = tf.nn.relu(cosines - least[:, tf.newaxis]) * other

        # 3. Compare A and B with the pages that are neither.
        of_a, of_b = excess[:pairs] * other[pairs:], excess[pairs:] * other[:pairs]
        nearest_a = _largest(of_a) + least[:pairs, tf.newaxis]
        nearest_b = _largest(of_b) + least[pairs:, tf.newaxis]
        both = _largest(tf.minimum(of_a, of_b))
        together = tf.reduce_sum(of_a * of_b, 1)
        nearest = [nearest_a[:, 0], tf.reduce_mean(nearest_a, 1), nearest_b[:, 0], tf.reduce_mean(nearest_b, 1)]
        first, mean = both[:, 0], tf.reduce_mean(both, 1)
        shared = self._shared(texts, buckets, rare, pairs)
        columns = [
            *(shared, *nearest),
            *(_against(shared, other_page) for other_page in nearest),
            *(first, tf.reduce_mean(both[:, :3], 1), mean, tf.sqrt(together)),
            *(_against(first, nearest[0]), _against(first, nearest[2])),
            *(tf.math.log(first + SMALL["page"]), tf.math.log(mean + SMALL["pages"])),
        ]
        return columns, tf.cast(is_page[:pairs] & is_page[pairs:], tf.float32)

    def _shared(self, texts: tf.Tensor, buckets: tf.Tensor, rare: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
        """Returns the dot products of A's and B's rare terms, ``float32 [pairs]``."""
        of_pair = texts % pairs
        keys, index = tf.unique(of_pair * tf.size(self._starts, tf.int64) + buckets)
        a, b = (
            tf.math.unsorted_segment_sum(tf.where(side, rare, tf.zeros_like(rare)), index, tf.size(keys))
            for side in (texts < pairs, texts >= pairs)
        )
        return tf.math.unsorted_segment_sum(a * b, keys // tf.size(self._starts, tf.int64), pairs)


def _variable(values: np.ndarray, name: str) -> tf.Variable:
    return tf.Variable(values, trainable=False, name=name)


def _largest(values: tf.Tensor) -> tf.Tensor:
    """Returns the largest values of each row in descending order, padded with 0, ``float32 [rows, COUNTED]``."""
    return tf.math.top_k(tf.pad(values, [[0, 0], [0, COUNTED]]), COUNTED).values


def _against(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.math.log((one + SMALL["cosine"]) / (other + SMALL["cosine"]))

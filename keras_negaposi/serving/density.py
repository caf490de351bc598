"""The density of pages around a text as graph ops, by the vectors of a bi-encoder; see `data.reference_pages`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_negaposi.data.reference_pages import NEAREST

TEXTS_AT_ONCE = 256


def density_of(loaded: tf.Module) -> Density | None:
    """Returns the density of a loaded SavedModel, if it has one."""
    density = getattr(loaded, "_density", None)
    return None if density is None else Density(density.pages.numpy())


class Density(tf.Module):
    """The pages of a corpus, with which texts are compared.

    Args:
        pages: vectors of the pages as B, of length 1, ``float [pages, size]``; more than `NEAREST`.
    """

    def __init__(self, pages: np.ndarray) -> None:
        super().__init__()
        self.pages = tf.Variable(pages.astype(np.float16), trainable=False, name="pages")

    def __call__(self, vectors: tf.Tensor) -> tf.Tensor:
        """Returns the density of each text, ``float32 [texts, 1]``, as `densities_by` does.

        Args:
            vectors: of the texts, of length 1, ``float32 [texts, size]``.
        """
        cosines = tf.matmul(vectors, tf.cast(self.pages, tf.float32), transpose_b=True)
        nearest = tf.math.top_k(cosines, NEAREST + 1).values[:, 1:]
        return tf.reduce_mean(nearest, axis=1, keepdims=True)

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the densities of any number of texts, ``float32 [texts]``; ``vectors`` as in `__call__`."""
        parts = [vectors[start : start + TEXTS_AT_ONCE] for start in range(0, len(vectors), TEXTS_AT_ONCE)]
        return np.concatenate([np.zeros(0, np.float32), *(self(tf.constant(part)).numpy()[:, 0] for part in parts)])

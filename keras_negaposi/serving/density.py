"""How densely the pages of a corpus surround a text, by the vectors of a bi-encoder.

Some texts are close to many pages, because they say what many pages say, so their cosine with one page means little
(hubness; Radovanovic et al. 2010). CSLS therefore subtracts each text's mean cosine with its nearest neighbours from a
cosine (Conneau et al. 2018, arXiv 1710.04087). Here, these means get a fitted weight; see `calibration`.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

NEAREST = 3
"""Number of the nearest pages that count."""
MOST_PAGES = 50_000
"""Of a larger corpus, as many pages are used, evenly spaced."""
TEXTS_AT_ONCE = 256


class Density(tf.Module):
    """The pages of a corpus, with which texts are compared.

    Args:
        pages: vectors of the pages as B, of length 1, ``float [pages, size]``; more than `NEAREST`.
    """

    def __init__(self, pages: np.ndarray) -> None:
        super().__init__()
        self.pages = tf.Variable(pages.astype(np.float16), trainable=False, name="pages")

    def __call__(self, vectors: tf.Tensor) -> tf.Tensor:
        """Returns the mean cosine of each text with its nearest pages, ``float32 [texts, 1]``.

        The very nearest page does not count: for a page of the corpus, it is the page itself.

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

"""How densely the pages of a corpus surround a text, by the vectors of a bi-encoder.

Some texts are close to many pages, because they say what many pages say, so their cosine with one page means little
(hubness; Radovanovic et al. 2010). CSLS therefore subtracts each text's mean cosine with its nearest neighbours from a
cosine (Conneau et al. 2018, arXiv 1710.04087). Here, these means get a fitted weight; see `calibration`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, Features, side_of
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor, trim
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel
from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.runtime.tf_functions import traced

NEAREST = 3
"""Number of the nearest pages that count."""
MOST_PAGES = 50_000
"""Of a larger corpus, as many pages are used, evenly spaced."""


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


class WithDensities(tf_keras.Model):
    """A bi-encoder that also returns the densities: ``float32 [batch, 3]``, probabilities and A's + B's density.

    Args:
        model: a bi-encoder, whose sides are one vector each.
        density: knows the pages.
    """

    def __init__(self, model: CacheableModel, density: Density) -> None:
        super().__init__(name="with_densities")
        self.model, self.density = model, density

    def call(self, features: Features) -> tf.Tensor:
        """Scores pairs in the separate layout."""
        a, b = self.model.encode_a(side_of(features, "a")), self.model.encode_b(side_of(features, "b"))
        densities = self.density(a[VECTOR]) + self.density(b[VECTOR])
        return tf.concat([self.model.probabilities(a, b), densities], axis=1)


def density_of(
    model: CacheableModel, preprocessor: SeparatePreprocessor, texts: Iterable[str], most: int, batch_size: int
) -> Density | None:
    """Encodes the pages of a corpus; returns ``None`` if there are too few.

    Args:
        model: a bi-encoder, whose sides are one vector each.
        preprocessor: its tokenizer and input layout.
        texts: of the corpus; repeated texts are encoded once.
        most: number of texts that are used, evenly spaced.
        batch_size: texts per step.
    """
    distinct = list(dict.fromkeys(texts))
    distinct = sorted(distinct[:: max(1, -(-len(distinct) // max(1, most)))], key=len)
    if not most or len(distinct) <= NEAREST:
        return None
    pack = traced(functools.partial(preprocessor.side, "b"), [tf.TensorSpec([None], tf.string)])
    encode = _encoder(model)
    tick = Ticker("encoding reference pages", len(distinct))
    vectors = []
    for start in range(0, len(distinct), batch_size):
        packed = trim(pack(tf.constant(distinct[start : start + batch_size])))
        vectors.append(encode({name: packed[name] for name in ENCODER_INPUTS}).numpy())
        tick(min(start + batch_size, len(distinct)))
    return Density(np.concatenate(vectors))


def _encoder(model: CacheableModel) -> tf.types.experimental.PolymorphicFunction:
    """Returns the model's encoder of B as a graph."""

    def encode(inputs: Features) -> tf.Tensor:
        return model.encode_b(inputs)[VECTOR]

    return traced(encode, [{name: tf.TensorSpec([None, None], tf.int32, name) for name in ENCODER_INPUTS}])

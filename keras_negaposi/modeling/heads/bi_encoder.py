"""Bi-encoder (``vector``): one embedding per text, compared by cosine, so that ranking is a nearest-neighbour search.

The encoder is shared by A and B, the projections are not; with shared ones, it is the model of Reimers & Gurevych 2019
(arXiv 1908.10084).
Layout: A and B in separate inputs. Cached of B: ``vector [size]``, of length 1; at size 384 in fp16, 768 bytes per
page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel, Side, built
from keras_negaposi.modeling.heads.layers import CosineLogits, Projection, masked_mean, running_norm
from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.modeling.start import Sample, Values, fit_logits, means_of, moments, unit

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class BiEncoder(CacheableModel):
    """Compares the mean-centred, projected mean of A's tokens with that of B's by cosine.

    Args:
        config: architecture of the encoder.
        size: size of the embeddings.
        tied: whether A and B share their projection.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str) -> None:
        super().__init__(config, name)
        # The encoder's embeddings share a large common component, which would make every cosine high.
        self.center = running_norm("center")
        self.query_projection = Projection(size, "query")
        self.key_projection = self.query_projection if tied else Projection(size, "key")
        self.cosine_logits = CosineLogits(adapts=False)

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns A's embedding: the projected mean of its tokens, ``vector [batch, size]``, of length 1."""
        return {VECTOR: self._embed(states, mask, self.query_projection)}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns B's embedding: the projected mean of its tokens, ``vector [batch, size]``, of length 1."""
        return {VECTOR: self._embed(states, mask, self.key_projection)}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Returns ``float32 [batch, 2]``; they increase with the cosine, so nearest neighbours rank first."""
        return tf.nn.softmax(self.logits(a, b))

    def logits(self, a: Side, b: Side) -> tf.Tensor:
        """Returns the logits of the embeddings' cosine, ``float32 [batch, 2]``."""
        return self.cosine_logits(tf.reduce_sum(a[VECTOR] * b[VECTOR], axis=1))

    def start(self, sample: Sample) -> Values:
        """Returns the values with which the head computes the cosine of the frozen encoder's standardized means."""
        means = [means_of(texts) for texts in (sample.a, sample.b)]
        both = np.concatenate(means)
        scale = np.sqrt(both.var(axis=0) + self.center.epsilon)
        kernels = [layer.kernel.numpy() for layer in (self.query_projection, self.key_projection)]
        a, b = (unit((m - both.mean(axis=0)) / scale @ kernel) for m, kernel in zip(means, kernels, strict=True))
        cosines = (a * b).sum(axis=1, keepdims=True)
        standardize, classifier = self.cosine_logits.standardize, self.cosine_logits.classifier
        fit = fit_logits(cosines, sample.labels)
        return [
            *moments(self.center, both),
            *moments(standardize, cosines),
            (classifier.kernel, fit.kernel),
            (classifier.bias, fit.bias),
        ]

    def _embed(self, states: tf.Tensor, mask: tf.Tensor, project: tf_keras.layers.Layer) -> tf.Tensor:
        # The moments are those of the start, in training too: a batch's own would differ from those of inference.
        centred = self.center(masked_mean(states, mask), training=False)
        return tf.math.l2_normalize(project(centred), axis=1)


def build(options: HeadConfig, config: BertConfig) -> BiEncoder:
    """Builds the model."""
    return built(BiEncoder(config, options.size_or(config.hidden_size), options.tie_projections, options.head))

"""``vector``: one vector a page, compared by cosine: the one-vector form of dot-product attention.

A ranking is then a nearest-neighbour search.
Two encoders that share their weights but not their projections (Reimers & Gurevych 2019, arXiv 1908.10084, for the
shared ones).
Inputs: A and B apart. Cached of B: ``vector [size]``, of length 1; at size 384 in fp16 768 bytes a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel, Side, built
from keras_negaposi.modeling.heads.layers import CosineLogits, Projection, masked_mean, running_norm

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class Vector(CacheableModel):
    """See the file's docstring."""

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str = "vector") -> None:
        super().__init__(config, name)
        # The encoder's vectors share a large common part, which would make every cosine high.
        self.center = running_norm("center")
        self.query_projection = Projection(size, "query")
        self.key_projection = self.query_projection if tied else Projection(size, "key")
        self.cosine_logits = CosineLogits()

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """The mean of A's tokens, projected: ``vector [batch, size]``, of length 1."""
        return {"vector": self._vector(states, mask, self.query_projection)}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """The mean of B's tokens, projected: ``vector [batch, size]``, of length 1."""
        return {"vector": self._vector(states, mask, self.key_projection)}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """See `CacheableModel`; rises with the cosine, so that its order is the neighbours'."""
        return tf.nn.softmax(self.logits(a, b))

    def logits(self, a: Side, b: Side) -> tf.Tensor:
        """What the vectors' cosine says, ``float32 [batch, 2]``."""
        return self.cosine_logits(tf.reduce_sum(a["vector"] * b["vector"], axis=1))

    def _vector(self, states: tf.Tensor, mask: tf.Tensor, project: tf_keras.layers.Layer) -> tf.Tensor:
        return tf.math.l2_normalize(project(self.center(masked_mean(states, mask))), axis=1)


def build(config: BertConfig, options: HeadConfig) -> Vector:
    """See the file's docstring."""
    return built(Vector(config, options.size_or(config.hidden_size), options.tie_projections))

"""Additive attention (``additive``): A's query attends to B's tokens through a small feed-forward network.

Bahdanau et al. 2014 (arXiv 1409.0473): ``v . tanh(W q + U k)``.
Layout: A and B in separate inputs. Cached of B: ``keys [tokens, size]``, the ``U k``; at size 128 in fp16, 256 bytes
per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.common import initializer
from keras_negaposi.modeling.heads.bi_encoder_base import TokenAttention, built

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 128


class AdditiveAttention(TokenAttention):
    """Token attention whose scores are ``v . tanh(W q + U k)``; for the arguments, see the base class."""

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str) -> None:
        super().__init__(config, size, tied, name)
        self.energy = tf_keras.layers.Dense(
            1, use_bias=False, kernel_initializer=initializer(config), dtype=tf.float32, name="energy"
        )

    def attention(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Returns ``v . tanh(q + k)``; query and keys are already projected."""
        return self.energy(tf.tanh(query[:, tf.newaxis] + keys))[:, :, 0]


def build(options: HeadConfig, config: BertConfig) -> AdditiveAttention:
    """Builds the model."""
    return built(AdditiveAttention(config, options.size_or(SIZE), options.tie_projections, options.head))

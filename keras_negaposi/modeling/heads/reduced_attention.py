"""Reduced attention (``reduced``): dot-product attention in a random subset of dimensions, shared by query and keys.

The experiment's dimension-reducing attention: texts may be "similar, once some axes are flattened". In training, each
pair has its own random dropout mask over the dimensions, applied to the query and to all its keys. In inference there
is no mask, or the probabilities under ``--inference_masks`` fixed masks are averaged.
Layout: A and B in separate inputs. Cached of B: ``keys [tokens, size]``, unmasked; at size 128 in fp16, 256 bytes per
token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import Side, built
from keras_negaposi.modeling.heads.dot_attention import DotAttention
from keras_negaposi.modeling.heads.tensor_names import KEYS, MASK, QUERY

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 128
SEED_OF_MASKS = 0


class ReducedAttention(DotAttention):
    """Dot-product attention under dropout masks over the dimensions.

    Args:
        config: architecture of the encoder.
        size: size of query and keys.
        tied: whether query and keys share their projection.
        name: name of the head.
        rate: share of the dimensions that a mask drops.
        masks: number of fixed masks to average over in inference; 0 for no mask.
    """

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str, rate: float, masks: int) -> None:
        super().__init__(config, size, tied, name)
        self.mask = tf_keras.layers.Dropout(rate, dtype=tf.float32, name="dimension_mask")
        self.mask.build([None, size])  # with fixed masks the layer is never called
        kept = np.random.default_rng(SEED_OF_MASKS).random((masks, size)) >= rate
        self.fixed_masks = [mask / (1.0 - rate) for mask in kept.astype(np.float32)]

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Averages the probabilities, ``float32 [batch, 2]``, over the masks: a random one in training."""
        query, keys, mask = a[QUERY], b[KEYS], b[MASK]
        if training:
            dimensions = [self.mask(tf.ones_like(query), training=True)]
        else:
            dimensions = self.fixed_masks or [tf.ones_like(query)]
        results = [self.classify(query * kept, keys * _per_token(kept), mask) for kept in dimensions]
        return tf.add_n(results) / len(results)


def _per_token(kept: tf.Tensor) -> tf.Tensor:
    """Reshapes a mask, ``[size]`` or ``[batch, size]``, for multiplication with ``[batch, seq, size]``."""
    return kept if len(kept.shape) == 1 else kept[:, tf.newaxis]


def build(options: HeadConfig, config: BertConfig) -> ReducedAttention:
    """Builds the model."""
    return built(
        ReducedAttention(
            config,
            options.size_or(SIZE),
            options.tie_projections,
            options.head,
            options.dimension_dropout,
            options.inference_masks,
        )
    )

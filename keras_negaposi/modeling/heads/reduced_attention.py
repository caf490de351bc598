"""``reduced``: dot-product attention in a random subset of the dimensions, the same for query and keys.

The experiment's dimension-reducing attention: "similar, once some axes are flattened". In training every pair has a
fresh dropout mask, laid on the query and on all its keys alike. In use there is none, or the probabilities under
``--inference_masks`` fixed masks are averaged.
Inputs: A and B apart. Cached of B: ``keys [tokens, size]``, unmasked; at size 128 in fp16 256 bytes a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import Side, built
from keras_negaposi.modeling.heads.dot_attention import DotAttention

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 128
SEED_OF_MASKS = 0


class ReducedAttention(DotAttention):
    """See the file's docstring.

    Args:
        config: the encoder's architecture.
        size: of query and keys.
        tied: whether they share their projection.
        rate: share of the dimensions that a mask drops.
        masks: how many fixed masks are averaged over in use; 0 for none.
    """

    def __init__(self, config: BertConfig, size: int, tied: bool, rate: float, masks: int) -> None:
        super().__init__(config, size, tied, "reduced")
        self.mask = tf_keras.layers.Dropout(rate, dtype=tf.float32, name="dimension_mask")
        self.mask.build([None, size])  # it is not called where fixed masks take its place
        kept = np.random.default_rng(SEED_OF_MASKS).random((masks, size)) >= rate
        self.fixed_masks = [mask / (1.0 - rate) for mask in kept.astype(np.float32)]

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """See `CacheableModel`."""
        query, keys, mask = a["query"], b["keys"], b["mask"]
        if training:
            dimensions = [self.mask(tf.ones_like(query), training=True)]
        else:
            dimensions = self.fixed_masks or [tf.ones_like(query)]
        found = [self.classify(query * kept, keys * _of_tokens(kept), mask) for kept in dimensions]
        return tf.add_n(found) / len(found)


def _of_tokens(kept: tf.Tensor) -> tf.Tensor:
    """``[size]`` or ``[batch, size]``, to be multiplied with ``[batch, seq, size]``."""
    return kept if len(kept.shape) == 1 else kept[:, tf.newaxis]


def build(config: BertConfig, options: HeadConfig) -> ReducedAttention:
    """See the file's docstring."""
    size = options.size_or(SIZE)
    return built(
        ReducedAttention(config, size, options.tie_projections, options.dimension_dropout, options.inference_masks)
    )

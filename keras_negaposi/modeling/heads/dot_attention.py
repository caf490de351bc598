"""Dot-product attention (``dot``): A's query attends to B's tokens by scaled dot products.

Luong et al. 2015 (arXiv 1508.04025), "dot", scaled as in Vaswani et al. 2017 (1706.03762).
Layout: A and B in separate inputs. Cached of B: ``keys [tokens, size]``; at size 128 in fp16, 256 bytes per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import TokenAttention, built

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 128


class DotAttention(TokenAttention):
    """Token attention whose scores are scaled dot products; for the arguments, see the base class."""

    def attention(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Returns ``q . k / sqrt(size)``."""
        return tf.einsum("bd,bsd->bs", query, keys) * query.shape[-1] ** -0.5


def build(options: HeadConfig, config: BertConfig) -> DotAttention:
    """Builds the model."""
    return built(DotAttention(config, options.size_or(SIZE), options.tie_projections, options.head))

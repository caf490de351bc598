"""``dot``: A's vector attends to B's tokens by scaled dot products.

Luong et al. 2015 (arXiv 1508.04025), "dot", scaled as in Vaswani et al. 2017 (1706.03762).
Inputs: A and B apart. Cached of B: ``keys [tokens, size]``; at size 128 in fp16 256 bytes a token.
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
    """See the file's docstring."""

    def attention(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """``q . k / sqrt(size)``."""
        return tf.einsum("bd,bsd->bs", query, keys) * query.shape[-1] ** -0.5


def build(config: BertConfig, options: HeadConfig) -> DotAttention:
    """See the file's docstring."""
    return built(DotAttention(config, options.size_or(SIZE), options.tie_projections, "dot"))

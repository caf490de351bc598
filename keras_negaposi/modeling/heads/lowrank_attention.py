"""Low-rank attention (``lowrank``): dot-product attention in few learned dimensions, which also keeps the cache small.

The learned counterpart of ``reduced``: training chooses once which dimensions to drop, instead of chance in every step.
Layout: A and B in separate inputs. Cached of B: ``keys [tokens, size]``; at size 32 in fp16, 64 bytes per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import built
from keras_negaposi.modeling.heads.dot_attention import DotAttention

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 32


def build(options: HeadConfig, config: BertConfig) -> DotAttention:
    """Builds the model."""
    return built(DotAttention(config, options.size_or(SIZE), options.tie_projections, options.head))

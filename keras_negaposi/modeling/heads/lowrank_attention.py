"""``lowrank``: dot-product attention in few, learned dimensions, which also makes the cache small.

The learned form of ``reduced``: what is flattened is chosen by training, once, and not by chance, every time.
Inputs: A and B apart. Cached of B: ``keys [tokens, size]``; at size 32 in fp16 64 bytes a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.heads.bi_encoder_base import built
from keras_negaposi.modeling.heads.dot_attention import DotAttention

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 32


def build(config: BertConfig, options: HeadConfig) -> DotAttention:
    """See the file's docstring."""
    return built(DotAttention(config, options.size_or(SIZE), options.tie_projections, "lowrank"))

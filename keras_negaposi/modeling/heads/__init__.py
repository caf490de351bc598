"""The heads: pair models that ``--head`` chooses from.

Each head is a module with a function ``build(options, config)``, which returns the pair model for a `HeadConfig` and
the encoder's `BertConfig`. The function ``build`` below says what the model's inputs and outputs are. ``pair`` and
``pair_means`` also take ``head``, a `common.Classifier`. A module with options that may not fit the encoder also has
``check_fits(options, config)``. A model may have a method ``start(sample)``, which returns the `start.Values` of its
variables before the first step. The module's docstring gives its sources, and which tensors of B can be cached.

To add a head, write its module, and add a line to `config.heads.HEADS` and to `_module`. TensorFlow is imported only
when a head is used, so that ``--help`` is fast.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from keras_negaposi.config.heads import BI_ENCODER, HEADS, LATE_INTERACTION, is_cacheable

__all__ = ["HEADS", "build", "check_fits", "is_cacheable"]

if TYPE_CHECKING:
    import tf_keras

    from checkpoints_tools.bert_config import BertConfig
    from keras_negaposi.config import HeadConfig
    from keras_negaposi.modeling.common import Classifier


def build(options: HeadConfig, config: BertConfig, head: Classifier | None = None) -> tf_keras.Model:
    """Builds a pair model with random weights.

    Its input is a dict of the layout's features, ``int32 [batch, seq]`` each; its output is the probabilities of "B
    does not come next" and "B comes next", ``float32 [batch, 2]``.

    Args:
        options: name and options of the head.
        config: architecture of the encoder.
        head: classifier to use instead of `common.pair_classifier`; only cross-encoders take one.
    """
    from keras_negaposi.modeling.common import encoder_of, freeze

    more = {} if head is None else {"head": head}
    model = _module(options.head).build(options, config, **more)
    freeze(encoder_of(model), options.frozen_layers)
    return model


def check_fits(options: HeadConfig, config: BertConfig) -> None:
    """Checks, before anything is built, that the head's options fit the encoder.

    Raises:
        InputError: an option does not fit.
    """
    module = _module(options.head)
    if hasattr(module, "check_fits"):
        module.check_fits(options, config)


def _module(head: str) -> types.ModuleType:
    from keras_negaposi.modeling.heads import (
        additive_attention,
        bi_encoder,
        cross_encoder,
        cross_encoder_means,
        cross_encoder_tokens,
        dot_attention,
        lowrank_attention,
        maxsim,
        mid_fusion,
        reduced_attention,
    )

    modules = {
        "pair": cross_encoder,
        "pair_means": cross_encoder_means,
        "pair_maxsim": cross_encoder_tokens,
        BI_ENCODER: bi_encoder,
        "dot": dot_attention,
        "additive": additive_attention,
        "reduced": reduced_attention,
        "lowrank": lowrank_attention,
        LATE_INTERACTION: maxsim,
        "midfusion": mid_fusion,
    }
    return modules[head]

"""The pair models that ``--head`` chooses from: one file each, a line in `config.heads` and a line in `_module`.

A file has ``build(config, options)``, which makes the model; its docstring says what of B can be cached. TensorFlow is
imported only when a head is used, so that ``--help`` is quick.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from keras_negaposi.config.heads import HEADS, is_cacheable

__all__ = ["HEADS", "build", "check_fits", "is_cacheable"]

if TYPE_CHECKING:
    import tf_keras

    from checkpoints_tools.bert_config import BertConfig
    from keras_negaposi.config import HeadConfig


def build(options: HeadConfig, config: BertConfig, **more: Any) -> tf_keras.Model:  # noqa: ANN401
    """A freshly initialised pair model.

    Its input is a dict of the layout's features, ``int32 [batch, seq]`` each; its output probabilities, ``float32
    [batch, 2]``.

    Args:
        options: names the head, and what some of them can be told.
        config: the encoder's architecture.
        **more: for that head's own ``build``.
    """
    from keras_negaposi.modeling.common import encoder_of, freeze

    model = _module(options.head).build(config, options, **more)
    freeze(encoder_of(model), options.frozen_layers)
    return model


def check_fits(options: HeadConfig, config: BertConfig) -> None:
    """Refuses options of a head that do not fit the encoder, before anything is built.

    Raises:
        InputError: names the option.
    """
    head = _module(options.head)
    if hasattr(head, "check_fits"):
        head.check_fits(options, config)


def _module(head: str) -> types.ModuleType:
    from keras_negaposi.modeling.heads import (
        additive_attention,
        bi_encoder,
        cross_encoder,
        cross_encoder_means,
        dot_attention,
        lowrank_attention,
        mid_fusion,
        reduced_attention,
    )

    modules = {
        "pair": cross_encoder,
        "pair_means": cross_encoder_means,
        "vector": bi_encoder,
        "dot": dot_attention,
        "additive": additive_attention,
        "reduced": reduced_attention,
        "lowrank": lowrank_attention,
        "midfusion": mid_fusion,
    }
    return modules[head]

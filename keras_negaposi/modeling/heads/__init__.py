"""The pair models that ``--head`` chooses among: one file each, and one line in `registry`.

A file has ``build(config, options)``, which makes the model; its docstring says what of B can be kept. Nothing here
imports TensorFlow, so that ``--help`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from keras_negaposi.config.heads import HEADS, is_cacheable

__all__ = ["HEADS", "build", "check_fits", "is_cacheable"]

if TYPE_CHECKING:
    import tf_keras

    from checkpoints_tools.bert_config import BertConfig
    from keras_negaposi.config import HeadConfig


def build(options: HeadConfig, config: BertConfig, **more: Any) -> tf_keras.Model:  # noqa: ANN401
    """A freshly initialised pair model.

    Its input is a dict of the packing's features, ``int32 [batch, seq]`` each; its output probabilities, ``float32
    [batch, 2]``.

    Args:
        options: names the head, and what some of them can be told.
        config: the encoder's architecture.
        **more: for that head's own ``build``.
    """
    from keras_negaposi.modeling.common import encoder_of, freeze

    model = importlib.import_module(f"{__name__}.{options.head}").build(config, options, **more)
    freeze(encoder_of(model), options.frozen_layers)
    return model


def check_fits(options: HeadConfig, config: BertConfig) -> None:
    """Refuses options of a head that do not fit the encoder, before anything is built.

    Raises:
        InputError: names the option.
    """
    head = importlib.import_module(f"{__name__}.{options.head}")
    if hasattr(head, "check_fits"):
        head.check_fits(options, config)

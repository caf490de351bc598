"""The pair models that ``--head`` chooses among: one file each, and one line here.

A file has ``build(config, options)``, which makes the model; its docstring says what of B can be kept. Nothing here
imports TensorFlow, so that ``--help`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras

    from checkpoints_tools.config import BertConfig
    from keras_negaposi.config import HeadConfig

HEADS = {
    "pair": "together",
    "pair_means": "together",
    "vector": "apart",
    "dot": "apart",
    "additive": "apart",
    "reduced": "apart",
    "lowrank": "apart",
    "midfusion": "apart",
}
"""Name -> `features.Packing`: what is packed apart has a B that can be cached."""


def build(options: HeadConfig, config: BertConfig, **more: Any) -> tf_keras.Model:  # noqa: ANN401
    """A freshly initialised pair model.

    Its input is a dict of the packing's features, ``int32 [batch, seq]`` each; its output probabilities, ``float32
    [batch, 2]``.

    Args:
        options: names the head, and what some of them can be told.
        config: the encoder's architecture.
        **more: for that head's own ``build``.
    """
    from keras_negaposi.model import encoder_of, freeze

    model = importlib.import_module(f"{__name__}.{options.head}").build(config, options, **more)
    freeze(encoder_of(model), options.frozen_layers)
    return model


def is_cacheable(head: str) -> bool:
    """Whether B's side of it can be kept."""
    return HEADS[head] == "apart"

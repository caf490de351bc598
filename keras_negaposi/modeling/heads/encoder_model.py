"""Base of the heads that are classes: a Keras model with the encoder in it."""

from __future__ import annotations

import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.modeling.common import leave_pooler_out
from keras_negaposi.modeling.fast_layers import accelerate


class EncoderModel(tf_keras.Model):
    """Contains the encoder, whose pooler is not trained.

    Args:
        config: architecture of the encoder.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, name: str) -> None:
        super().__init__(name=name)
        self.encoder = accelerate(build_encoder(config))
        leave_pooler_out(self.encoder)

    def get_config(self) -> dict[str, object]:
        """Returns only the name: `heads.build` creates the model, and a SavedModel is loaded as functions."""
        return {"name": self.name}

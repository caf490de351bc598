"""Small models of every head."""

import numpy as np
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import assign_encoder
from keras_negaposi.config import HeadConfig
from keras_negaposi.modeling.common import encoder_of
from keras_negaposi.modeling.heads import build
from tests.helpers.tiny_bert import random_tf1_variables

OPTIONS = {"vector": {}, "reduced": {"inference_masks": 3}, "midfusion": {"head_size": 5, "separate_layers": 1}}


def make(tiny, head, **options):
    """Builds a model with the tiny checkpoint's weights; the head's own weights are large enough to have an effect."""
    config = BertConfig(**tiny.config)
    tf.keras.utils.set_random_seed(0)
    model = build(HeadConfig(head=head, **OPTIONS.get(head, {}) | options), config)
    assign_encoder(encoder_of(model), random_tf1_variables(config), config)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if any(part in variable.name for part in ("classifier/kernel", "comparison/kernel", "energy", "pooler/kernel")):
            variable.assign(rng.normal(0, 0.5, variable.shape))
        if "moving_mean" in variable.name:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

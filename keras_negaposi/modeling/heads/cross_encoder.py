"""``pair``: run_classifier.py's model. Both texts in one input, a head on the pooled output.

Nothing of B can be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.modeling.common import Head, pair_head
from keras_negaposi.modeling.fast_layers import accelerate

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


def build(config: BertConfig, options: HeadConfig | None = None, head: Head = pair_head) -> tf_keras.Model:
    """The encoder's pooled output (its first token through BERT's pooler), classified by ``head``."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    encoder = accelerate(build_encoder(config, output_range=1))  # all that the pooler reads
    return tf_keras.Model(inputs, head(encoder(inputs)["pooled_output"], config), name="pair")

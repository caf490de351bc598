"""Cross-encoder (``pair``): both texts in one input and a classifier on the pooled output, as in run_classifier.py.

Nothing of B can be cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.modeling.common import Classifier, pair_classifier
from keras_negaposi.modeling.fast_layers import accelerate

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


def build(options: HeadConfig, config: BertConfig, head: Classifier = pair_classifier) -> tf_keras.Model:
    """Builds the model; the pooled output is the first token after BERT's pooler."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    encoder = accelerate(build_encoder(config, output_range=1))  # the pooler reads only the first token
    return tf_keras.Model(inputs, head(encoder(inputs)["pooled_output"], config), name=options.head)

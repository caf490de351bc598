"""Cross-encoder with late interaction (``pair_maxsim``): both texts in one input, compared by their tokens and means.

For a BERT with an untrained pooler, such as most sentence-embedding models. Such a BERT has never seen two texts in one
input, and a random classifier of its output stays at chance for many steps. The late interaction of A's tokens with B's
is informative before the first step (`maxsim.late_interaction`). Its logits are added to those of ``pair_means``.
Nothing of B can be cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config.heads import JOINT
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, LAYOUTS, MASK_INPUT, WORD_INPUT, Features
from keras_negaposi.modeling.common import CLASSES, HEAD_DROPOUT, initializer, leave_dropout_out
from keras_negaposi.modeling.heads.encoder_model import EncoderModel
from keras_negaposi.modeling.heads.layers import FixedStandardization, Projection, compare, masked_mean, side_masks
from keras_negaposi.modeling.heads.maxsim import classifier_of_cosines, late_interaction, start_of_cosines, unit_tokens
from keras_negaposi.modeling.heads.tensor_names import KEYS, MASK
from keras_negaposi.modeling.start import Sample, Values

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class PairMaxSim(EncoderModel):
    """Classifies a pair by the cosines of its tokens and by the means of its texts.

    Args:
        config: architecture of the encoder.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, name: str) -> None:
        super().__init__(config, name)
        leave_dropout_out(self.encoder)  # it lowers cosines, so that inference would see others than training
        self.projection = Projection(config.hidden_size, "tokens")
        self.standardize = FixedStandardization("standardize")
        self.classifier = classifier_of_cosines()
        self.pooler = tf_keras.layers.Dense(
            config.hidden_size, "tanh", kernel_initializer=initializer(config), dtype=tf.float32, name="means_pooler"
        )
        self.dropout = tf_keras.layers.Dropout(HEAD_DROPOUT, dtype=tf.float32)
        self.comparison = tf_keras.layers.Dense(
            CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="comparison"
        )

    def call(self, features: Features, training: bool | None = None) -> tf.Tensor:
        """Returns the probabilities of pairs in the joint layout, ``float32 [batch, 2]``."""
        states = self.encoder({name: features[name] for name in ENCODER_INPUTS})["sequence_output"]
        mask_a, mask_b = side_masks(features[WORD_INPUT], features[MASK_INPUT])
        tokens = unit_tokens(self.projection(states))
        cosines = late_interaction({KEYS: tokens, MASK: mask_a}, {KEYS: tokens, MASK: mask_b})
        means = compare(masked_mean(states, mask_a), masked_mean(states, mask_b))
        logits = self.comparison(self.dropout(self.pooler(means), training=training))
        return tf.nn.softmax(logits + self.classifier(self.standardize(cosines)))

    def start(self, sample: Sample) -> Values:
        """Returns the values with which the head compares tokens as the frozen encoder does."""
        return start_of_cosines(self.projection, self.standardize, self.classifier, sample)


def build(options: HeadConfig, config: BertConfig) -> PairMaxSim:
    """Builds the model."""
    model = PairMaxSim(config, options.head)
    model({name: tf.ones([1, 4], tf.int32) for name in LAYOUTS[JOINT].inputs})  # creates the variables
    return model

"""``pair_means``: both texts in one input, and a head that compares the mean of A's tokens with the mean of B's.

For a BERT whose pooler was never trained (most that were made for sentence vectors): there the first token has to
learn what the means say from the start. Nothing of B can be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.modeling.common import Head, initializer, leave_pooler_out, pair_head
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.modeling.heads.layers import compare, masked_mean

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


@tf_keras.utils.register_keras_serializable(package="keras_negaposi")
class SegmentMeans(tf_keras.layers.Layer):
    """``float32 [batch, 4 * hidden]``: `parts.compare` of the means of A's and of B's tokens.

    ``[CLS]`` and the first ``[SEP]`` are counted with A, the last ``[SEP]`` with B.
    """

    def call(self, states: tf.Tensor, input_mask: tf.Tensor, input_type_ids: tf.Tensor) -> tf.Tensor:
        """Takes ``[batch, seq, hidden]`` and twice ``int32 [batch, seq]``."""
        of_b = input_mask * input_type_ids
        return compare(masked_mean(states, input_mask - of_b), masked_mean(states, of_b))


def build(config: BertConfig, options: HeadConfig | None = None, head: Head = pair_head) -> tf_keras.Model:
    """A dense tanh layer, as in BERT's pooler, on the compared means, classified by ``head``."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    encoder = accelerate(build_encoder(config))
    leave_pooler_out(encoder)
    compared = SegmentMeans(dtype="float32", name="segment_means")(
        encoder(inputs)["sequence_output"], inputs["input_mask"], inputs["input_type_ids"]
    )
    pooled = tf_keras.layers.Dense(
        config.hidden_size, "tanh", kernel_initializer=initializer(config), dtype=tf.float32, name="means_pooler"
    )(compared)
    return tf_keras.Model(inputs, head(pooled, config), name="pair_means")

"""Cross-encoder with mean pooling (``pair_means``): both texts in one input, compared by the means of their tokens.

For a BERT with an untrained pooler, such as most sentence-embedding models: there the means are informative from the
start, while the first token would have to learn the same. Nothing of B can be cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, MASK_INPUT, WORD_INPUT
from keras_negaposi.modeling.common import Classifier, initializer, leave_pooler_out, pair_classifier
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.modeling.heads.layers import compare, masked_mean, side_masks

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


@tf_keras.utils.register_keras_serializable(package="keras_negaposi", name="SegmentMeans")
class SideMeans(tf_keras.layers.Layer):
    """Compares the mean of A's tokens with the mean of B's: ``float32 [batch, 4 * hidden]``, see `layers.compare`.

    ``[CLS]`` and the first ``[SEP]`` count as A, the last ``[SEP]`` as B.
    """

    def call(self, states: tf.Tensor, word_ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Takes hidden states, ``[batch, seq, hidden]``, and token ids and mask, ``int32 [batch, seq]`` each."""
        mask_a, mask_b = side_masks(word_ids, mask)
        return compare(masked_mean(states, mask_a), masked_mean(states, mask_b))


def build(options: HeadConfig, config: BertConfig, head: Classifier = pair_classifier) -> tf_keras.Model:
    """Builds the model: compared means, a dense tanh layer as in BERT's pooler, and the classifier."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    encoder = accelerate(build_encoder(config))
    leave_pooler_out(encoder)
    compared = SideMeans(dtype="float32", name="segment_means")(
        encoder(inputs)["sequence_output"], inputs[WORD_INPUT], inputs[MASK_INPUT]
    )
    pooled = tf_keras.layers.Dense(
        config.hidden_size, "tanh", kernel_initializer=initializer(config), dtype=tf.float32, name="means_pooler"
    )(compared)
    return tf_keras.Model(inputs, head(pooled, config), name=options.head)

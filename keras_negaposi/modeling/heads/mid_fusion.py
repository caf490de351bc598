"""Mid-fusion (``midfusion``): a bi-encoder in the lower layers; in the upper ones A's tokens also attend to B's.

After PreTTR (MacAvaney et al. 2020, arXiv 2004.14255), DeFormer (Cao et al. 2020, 2005.00697) and MICE (2602.16299):
every layer is the encoder's own, with the checkpoint's weights. B's hidden states stay as the last separate layer
returned them. The logits from the upper layers are added to those of the bi-encoder. For the bi-encoder each text also
passes through the upper layers alone, because only the last layer's embeddings have an informative cosine.
Layout: A and B in separate inputs. Cached of B: ``vector [hidden]``, of length 1, and ``states [tokens, hidden]``, or
``[tokens, --head_size]`` if that is given; at 384 in fp16, 768 bytes per page and as many per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from keras_negaposi.input_pipeline.feature_spec import MASK_INPUT, Features
from keras_negaposi.modeling.common import CLASSES, HEAD_DROPOUT, initializer
from keras_negaposi.modeling.heads.bi_encoder import BiEncoder
from keras_negaposi.modeling.heads.bi_encoder_base import Side, built
from keras_negaposi.modeling.heads.layers import Projection, compare_in_order, masked_mean, running_norm
from keras_negaposi.modeling.heads.tensor_names import MASK, STATES, VECTOR

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class MidFusion(BiEncoder):
    """Adds a comparison by the upper layers to the bi-encoder's cosine.

    Args:
        config: architecture of the encoder.
        separate: number of layers that see the texts separately.
        size: size of B's cached states; ``None`` for the encoder's hidden size, without a projection.
        tied: whether the embeddings of A and B share their projection.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, separate: int, size: int | None, tied: bool, name: str) -> None:
        super().__init__(config, config.hidden_size, tied, name)
        self.separate = separate
        self.upper = self.encoder.transformer_layers[separate:]
        self.compress = Projection(size, "compress") if size else None
        self.expand = Projection(config.hidden_size, "expand") if size else None
        self.standardize = running_norm("standardize")
        self.pooler = tf_keras.layers.Dense(
            config.hidden_size, "tanh", kernel_initializer=initializer(config), dtype=tf.float32, name="fused_pooler"
        )
        self.dropout = tf_keras.layers.Dropout(HEAD_DROPOUT, dtype=tf.float32)
        self.comparison = tf_keras.layers.Dense(
            CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="comparison"
        )

    def encode_a(self, inputs: Features) -> Side:
        """Returns A's embedding, and its hidden states after the last separate layer, ``[batch, seq, hidden]``."""
        states, last = self._states(inputs)
        return self.query(last, inputs[MASK_INPUT]) | {STATES: states, MASK: inputs[MASK_INPUT]}

    def encode_b(self, inputs: Features) -> Side:
        """Returns the same for B; its states are ``[batch, seq, hidden]``, or ``[batch, seq, size]``."""
        states, last = self._states(inputs)
        cached = self.compress(states) if self.compress else states
        return self.key(last, inputs[MASK_INPUT]) | {STATES: cached, MASK: inputs[MASK_INPUT]}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Classifies A's mean after the upper layers, both embeddings, their product and their difference.

        These logits are added to those of the embeddings' cosine, from which training starts.
        """
        features = tf.concat([self.fused(a, b), compare_in_order(a[VECTOR], b[VECTOR])], axis=1)
        logits = self.comparison(self.dropout(self.pooler(self.standardize(features))))
        return tf.nn.softmax(logits + self.logits(a, b))

    def fused(self, a: Side, b: Side) -> tf.Tensor:
        """Runs A's tokens through the upper layers, attending to A and B, and returns their mean.

        Returns:
            ``float32 [batch, hidden]``.
        """
        states = a[STATES]
        states_b = tf.cast(self.expand(b[STATES]) if self.expand else b[STATES], states.dtype)
        mask = tf.concat([a[MASK], b[MASK]], axis=1)
        mask = tf.repeat(mask[:, tf.newaxis], tf.shape(states)[1], axis=1)
        for layer in self.upper:
            states = layer([states, tf.concat([states, states_b], axis=1), tf.cast(mask, states.dtype)])
        return masked_mean(states, a[MASK])

    def _states(self, inputs: Features) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the hidden states after the last separate layer and after the last layer."""
        outputs = self.encoder(inputs)["encoder_outputs"]
        return outputs[self.separate - 1], outputs[-1]


def build(options: HeadConfig, config: BertConfig) -> MidFusion:
    """Builds the model.

    Raises:
        InputError: ``--separate_layers`` leaves no upper layer.
    """
    check_fits(options, config)
    separate = options.separate_layers or max(1, 5 * config.num_hidden_layers // 6)
    return built(MidFusion(config, separate, options.head_size, options.tie_projections, options.head))


def check_fits(options: HeadConfig, config: BertConfig) -> None:
    """Checks that ``--separate_layers`` leaves an upper layer, in which A attends to B.

    Raises:
        InputError: it leaves none.
    """
    layers, separate = config.num_hidden_layers, options.separate_layers or 1
    if layers == 1:
        raise InputError("--head midfusion: this BERT has one layer, but the head needs two; give another --head")
    if separate >= layers:
        raise InputError(f"--separate_layers {separate}: this BERT has {layers} layers; give at most {layers - 1}")

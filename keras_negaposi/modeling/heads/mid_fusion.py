"""``midfusion``: the first layers see A and B apart, in the others A's tokens attend to B's too.

After PreTTR (MacAvaney et al. 2020, arXiv 2004.14255), DeFormer (Cao et al. 2020, 2005.00697) and MICE (2602.16299):
every layer is the encoder's own, with the checkpoint's weights. B's states stay as the last separate layer left them.
What the other layers find is added to what `vector` says, for which each text goes through them alone as well: only
their end makes vectors whose cosine tells much.
Inputs: A and B apart. Cached of B: ``vector [hidden]``, of length 1, and ``states [tokens, hidden]``, or ``[tokens,
--head_size]`` where that is given; at 384 in fp16 768 bytes a page and as many a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from keras_negaposi.input_pipeline.feature_spec import Features
from keras_negaposi.modeling.common import CLASSES, HEAD_DROPOUT, initializer
from keras_negaposi.modeling.heads.bi_encoder import Vector
from keras_negaposi.modeling.heads.bi_encoder_base import Side, built
from keras_negaposi.modeling.heads.layers import Projection, compare_in_order, masked_mean, running_norm

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class MidFusion(Vector):
    """See the file's docstring.

    Args:
        config: the encoder's architecture.
        separate: number of layers that see the texts apart.
        size: numbers a token that are kept of B; ``None`` for the states themselves.
        tied: whether the vectors of A and B share their projection.
    """

    def __init__(self, config: BertConfig, separate: int, size: int | None, tied: bool) -> None:
        super().__init__(config, config.hidden_size, tied, "midfusion")
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
        """A's vector and its tokens' states, ``[batch, seq, hidden]``, after the last separate layer."""
        states, last = self._states(inputs)
        return self.query(last, inputs["input_mask"]) | {"states": states, "mask": inputs["input_mask"]}

    def encode_b(self, inputs: Features) -> Side:
        """The same of B, with states ``[batch, seq, hidden or size]``."""
        states, last = self._states(inputs)
        kept = self.compress(states) if self.compress else states
        return self.key(last, inputs["input_mask"]) | {"states": kept, "mask": inputs["input_mask"]}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Runs A through the other layers beside B; classifies its mean, the vectors, their product and difference.

        It adds to what the vectors' cosine says, with which a run begins.
        """
        features = tf.concat([self.fused(a, b), compare_in_order(a["vector"], b["vector"])], axis=1)
        logits = self.comparison(self.dropout(self.pooler(self.standardize(features))))
        return tf.nn.softmax(logits + self.logits(a, b))

    def fused(self, a: Side, b: Side) -> tf.Tensor:
        """The mean of A's tokens after the last layer, ``float32 [batch, hidden]``."""
        states = a["states"]
        states_b = tf.cast(self.expand(b["states"]) if self.expand else b["states"], states.dtype)
        mask = tf.concat([a["mask"], b["mask"]], axis=1)
        mask = tf.repeat(mask[:, tf.newaxis], tf.shape(states)[1], axis=1)
        for layer in self.upper:
            states = layer([states, tf.concat([states, states_b], axis=1), tf.cast(mask, states.dtype)])
        return masked_mean(states, a["mask"])

    def _states(self, inputs: Features) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self.encoder(inputs)["encoder_outputs"]
        return outputs[self.separate - 1], outputs[-1]


def build(config: BertConfig, options: HeadConfig) -> MidFusion:
    """See the file's docstring.

    Raises:
        InputError: ``--separate_layers`` leaves no layer to fuse in.
    """
    check_fits(options, config)
    separate = options.separate_layers or max(1, 5 * config.num_hidden_layers // 6)
    return built(MidFusion(config, separate, options.head_size, options.tie_projections))


def check_fits(options: HeadConfig, config: BertConfig) -> None:
    """Refuses ``--separate_layers`` that leaves no layer to fuse in.

    Raises:
        InputError: there is none.
    """
    layers, separate = config.num_hidden_layers, options.separate_layers or 1
    if layers == 1:
        raise InputError("--head midfusion: this BERT has one layer, and the head needs two; give another --head")
    if separate >= layers:
        raise InputError(f"--separate_layers {separate}: this BERT has {layers} layers; give at most {layers - 1}")

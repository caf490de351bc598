"""``midfusion``: the first layers see A and B apart, in the others A's tokens attend to B's too.

After PreTTR (MacAvaney et al. 2020, arXiv 2004.14255), DeFormer (Cao et al. 2020, 2005.00697) and MICE (2602.16299):
every layer is the encoder's own, with the checkpoint's weights. B's states stay as the last separate layer left them.
Inputs: A and B apart. Cached of B: ``states [tokens, hidden]``, or ``[tokens, --head_size]`` where that is given; at
384 in fp16 768 bytes a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from checkpoints_tools.config import BertConfig
from checkpoints_tools.errors import InputError
from keras_negaposi.features import Features
from keras_negaposi.heads.cacheable import CacheableModel, Side, built
from keras_negaposi.heads.parts import CosineLogits, Projection, compare, cosine, masked_mean, running_norm
from keras_negaposi.model import CLASSES, HEAD_DROPOUT, initializer

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig


class MidFusion(CacheableModel):
    """See the file's docstring.

    Args:
        config: the encoder's architecture.
        separate: number of layers that see the texts apart.
        size: numbers a token that are kept of B; ``None`` for the states themselves.
    """

    def __init__(self, config: BertConfig, separate: int, size: int | None) -> None:
        super().__init__(config, "midfusion")
        outputs = self.encoder.output["encoder_outputs"]
        self.lower = tf_keras.Model(self.encoder.inputs, outputs[separate - 1], name="separate_layers")
        self.upper = self.encoder.transformer_layers[separate:]
        self.compress = Projection(size, "compress") if size else None
        self.expand = Projection(config.hidden_size, "expand") if size else None
        self.pooler = tf_keras.layers.Dense(
            config.hidden_size, "tanh", kernel_initializer=initializer(config), dtype=tf.float32, name="fused_pooler"
        )
        self.dropout = tf_keras.layers.Dropout(HEAD_DROPOUT, dtype=tf.float32)
        self.comparison = tf_keras.layers.Dense(
            CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="comparison"
        )
        self.center = running_norm("center")
        self.cosine_logits = CosineLogits()

    def states(self, inputs: Features) -> tf.Tensor:
        """The last separate layer's."""
        return self.lower(inputs)

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """A's tokens: ``states [batch, seq, hidden]``."""
        return {"states": states, "mask": mask}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """B's tokens: ``states [batch, seq, hidden or size]``."""
        return {"states": self.compress(states) if self.compress else states, "mask": mask}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Runs A through the other layers; classifies its mean beside the compared means of the separate states.

        It adds to what the cosine of these means says, with which a run begins.
        """
        states_a = states = a["states"]
        states_b = tf.cast(self.expand(b["states"]) if self.expand else b["states"], states.dtype)
        mask = tf.concat([a["mask"], b["mask"]], axis=1)
        mask = tf.repeat(mask[:, tf.newaxis], tf.shape(states)[1], axis=1)
        for layer in self.upper:
            states = layer([states, tf.concat([states, states_b], axis=1), tf.cast(mask, states.dtype)])
        mean_a, mean_b = masked_mean(states_a, a["mask"]), masked_mean(states_b, b["mask"])
        fused = tf.concat([masked_mean(states, a["mask"]), compare(mean_a, mean_b)], axis=1)
        logits = self.comparison(self.dropout(self.pooler(fused)))
        return tf.nn.softmax(logits + self.cosine_logits(cosine(self.center(mean_a), self.center(mean_b))))


def build(config: BertConfig, options: HeadConfig) -> MidFusion:
    """See the file's docstring.

    Raises:
        InputError: ``--separate_layers`` leaves no layer to fuse in.
    """
    layers = config.num_hidden_layers
    separate = options.separate_layers or max(1, 2 * layers // 3)
    if separate >= layers:
        raise InputError(f"--separate_layers {separate}: this BERT has {layers} layers; give at most {layers - 1}")
    return built(MidFusion(config, separate, options.head_size))

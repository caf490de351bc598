"""Builds a tf-models ``BertEncoder`` with the numerics of google-research/bert and assigns its weights by TF1 name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import networks

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig

logger = logging.getLogger(__name__)


@tf_keras.utils.register_keras_serializable(package="checkpoints_tools")
def tanh_gelu(x: tf.Tensor) -> tf.Tensor:
    """Computes google-research/bert's gelu, the tanh approximation.

    It is a registered function, not a lambda, so that Keras can restore a model from its config.
    """
    return tf_keras.activations.gelu(x, approximate=True)


@tf_keras.utils.register_keras_serializable(package="checkpoints_tools")
def erf_gelu(x: tf.Tensor) -> tf.Tensor:
    """Computes the exact gelu, which Hugging Face calls ``gelu``."""
    return tf_keras.activations.gelu(x, approximate=False)


def build_encoder(config: BertConfig, output_range: int | None = None) -> networks.BertEncoder:
    """Returns a randomly initialised encoder.

    The encoder takes a dict of ``input_word_ids``, ``input_mask`` and ``input_type_ids`` (each ``int32 [batch, seq]``).
    It returns a dict of ``sequence_output`` ``[batch, seq, hidden]``, ``pooled_output`` ``[batch, hidden]`` and
    ``encoder_outputs``, a list with ``[batch, seq, hidden]`` for each layer.

    Gelu, initializer and LayerNorm epsilon are set from the config. In everything else tf-models computes what
    google-research/bert does: LayerNorm in float32, -10000 added to masked scores, tanh pooler
    (https://github.com/google-research/bert, modeling.py).

    Args:
        config: the architecture.
        output_range: compute the last layer only for this many first tokens; ``sequence_output`` is then
            ``[batch, output_range, hidden]``. ``None`` computes all tokens. The pooled output needs 1.
    """
    encoder = networks.BertEncoder(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation=tanh_gelu if config.gelu_approximate else erf_gelu,
        output_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        initializer=tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range),
        output_range=output_range,
        dict_outputs=True,
    )
    for layer in encoder.submodules:  # the encoder's constructor has no argument for epsilon
        if isinstance(layer, tf_keras.layers.LayerNormalization):
            layer.epsilon = config.layer_norm_eps
    return encoder


def assign_encoder(encoder: networks.BertEncoder, arrays: Mapping[str, np.ndarray], config: BertConfig) -> None:
    """Assigns every variable of the encoder exactly once.

    Args:
        encoder: the encoder, as returned by ``build_encoder(config)``.
        arrays: the values by TF1 name, in TF1 shapes; each is read exactly once. The pooler may be missing: it then
            stays randomly initialised, with a warning.
        config: the architecture.
    """
    variables = {variable.name.removesuffix(":0"): variable for variable in encoder.variables}
    pooler = {row.tf1 for row in name_map.POOLER_ROWS}
    for entry in name_map.entries(config):
        variable = variables.pop(entry.encoder)
        if entry.tf1 in pooler and entry.tf1 not in arrays:
            logger.warning("the checkpoint has no %s; it stays randomly initialised", entry.tf1)
        else:
            variable.assign(np.reshape(arrays[entry.tf1], entry.encoder_shape))
    if variables:  # another tf-models release may have other variables
        raise RuntimeError(f"encoder variables without a row in the name map: {sorted(variables)}")


def encoder_to_tf1(encoder: networks.BertEncoder, config: BertConfig) -> dict[str, np.ndarray]:
    """Returns the encoder's weights by TF1 name, in TF1 shapes; the inverse of `assign_encoder`."""
    variables = {variable.name.removesuffix(":0"): variable for variable in encoder.variables}
    return {
        entry.tf1: np.reshape(variables[entry.encoder].numpy(), entry.tf1_shape) for entry in name_map.entries(config)
    }

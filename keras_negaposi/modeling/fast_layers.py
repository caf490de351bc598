"""Makes the encoder's layers faster, with the same results.

tf-models computes every product by an einsum. A plain matrix product is faster: oneDNN fuses it with the bias, and in
inference also with the gelu, and attention needs fewer transpositions. In training on a CPU, the operations between the
matrix products are compiled by XLA (`xla_ops`).

The layers remain tf-models' own, with their variables, names and configurations; only their computation is replaced.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable

import tensorflow as tf
import tf_keras

from keras_negaposi.modeling import xla_ops

try:
    from tf_keras.src.engine.base_layer_utils import call_context as _call_context
except ImportError:
    _call_context = None

Activation = Callable[[tf.Tensor], tf.Tensor]

logger = logging.getLogger(__name__)

COMPILED_FROM = 128
"""Hidden size from which XLA saves more time than compiling takes."""

_BLOCK_MEMBERS = ("_attention_layer", "_intermediate_activation_layer", "_intermediate_dense", "_output_dense")
_DENSE_MEMBERS = ("_query_dense", "_key_dense", "_value_dense", "_output_dense")
_ATTENTION_MEMBERS = (*_DENSE_MEMBERS, "_compute_attention", "_masked_softmax", "_dropout_layer", "_key_dim")


def accelerate(encoder: tf_keras.Model) -> tf_keras.Model:
    """Makes the layers of a new ``BertEncoder`` faster; their results stay the same up to rounding.

    This replaces private members of tf-models' and Keras' layers. If a release lacks one of them, the encoder stays
    unchanged and one warning is logged.

    Returns:
        The encoder itself.
    """
    missing = _missing_member(encoder)
    if missing:
        logger.warning("this release of tf-models or tf_keras has no %s: training and scoring will be slower", missing)
        return encoder
    width = encoder.get_config()["hidden_size"]
    for block in encoder.transformer_layers:
        activation, attention = block._intermediate_activation_layer, block._attention_layer
        block._intermediate_dense.call = _dense(
            block._intermediate_dense, functools.partial(_activate, width, activation)
        )
        activation.call = _unchanged
        for dense in (block._output_dense, *(getattr(attention, name) for name in _DENSE_MEMBERS)):
            dense.call = _dense(dense)
        attention._compute_attention = functools.partial(_attention, width, attention)
    for layer in encoder.submodules:
        if isinstance(layer, tf_keras.layers.Dropout):
            random = layer._random_generator
            random.dropout = functools.partial(_dropout, width, random, random.dropout)
        if isinstance(layer, tf_keras.layers.LayerNormalization):
            layer.call = functools.partial(_normalize, width, layer, layer.call)
    return encoder


def _missing_member(encoder: tf_keras.Model) -> str:
    """Returns the first private member that `accelerate` needs and a layer lacks, or an empty string."""
    if _call_context is None:
        return "tf_keras.src.engine.base_layer_utils.call_context"
    for block in encoder.transformer_layers:
        lacking = [name for name in _BLOCK_MEMBERS if not hasattr(block, name)]
        lacking = lacking or [name for name in _ATTENTION_MEMBERS if not hasattr(block._attention_layer, name)]
        if lacking:
            return lacking[0]
    dropouts = [layer for layer in encoder.submodules if isinstance(layer, tf_keras.layers.Dropout)]
    return "" if all(hasattr(layer, "_random_generator") for layer in dropouts) else "_random_generator"


def _unchanged(inputs: tf.Tensor) -> tf.Tensor:
    return inputs


def _dense(layer: tf_keras.layers.EinsumDense, activation: Activation = _unchanged) -> Activation:
    """Returns a replacement of `EinsumDense.call` for a kernel ``[*contracted, *new]``.

    It maps ``[*rows, *contracted]`` to ``[*rows, *new]``. It takes one argument only, because Keras saves a model with
    the arguments of ``call``.
    """
    new = layer.bias.shape
    size, contracted = math.prod(new), layer.kernel.shape.rank - new.rank
    fan_in = math.prod(layer.kernel.shape[:contracted])

    def call(inputs: tf.Tensor) -> tf.Tensor:
        product = tf.matmul(tf.reshape(inputs, [-1, fan_in]), tf.reshape(layer.kernel, [fan_in, size]))
        product = activation(tf.nn.bias_add(product, tf.reshape(layer.bias, [size])))
        return tf.reshape(product, tf.concat([tf.shape(inputs)[:-contracted], new], axis=0))

    return call


def _attention(
    width: int,
    layer: tf_keras.layers.MultiHeadAttention,
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    attention_mask: tf.Tensor | None = None,
    training: bool | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Replaces `MultiHeadAttention._compute_attention`.

    Args:
        width: hidden size of the encoder.
        layer: the attention layer.
        query: ``[batch, seq, heads, size]``, like ``key`` and ``value``.
        key: see ``query``.
        value: see ``query``.
        attention_mask: ``[batch, seq, seq]``, 1 where a token may attend to another.
        training: whether to apply dropout.

    Returns:
        Weighted means of the values, ``[batch, seq, heads, size]``, and the weights, ``[batch, heads, seq, seq]``.
    """
    query, key, value = (tf.transpose(states, [0, 2, 1, 3]) for states in (query, key, value))
    scores = tf.matmul(query * layer._key_dim**-0.5, key, transpose_b=True)
    softmax = functools.partial(layer._masked_softmax, attention_mask=attention_mask)
    drop = functools.partial(layer._dropout_layer, training=training)
    weights = softmax(scores)  # TensorFlow prunes this from the graph if only `dropped` is used
    dropped = xla_ops.softmax_with_dropout(softmax, drop, scores) if _compiles(width) else drop(weights)
    return tf.transpose(tf.matmul(dropped, value), [0, 2, 1, 3]), weights


def _activate(width: int, layer: tf_keras.layers.Activation, inputs: tf.Tensor) -> tf.Tensor:
    """Replaces `Activation.call`; a training computes in the layer's own precision, float32 also under bfloat16.

    Inference computes in that of its inputs, because oneDNN fuses the gelu only with a product of the same type: it
    then rounds to bfloat16 after the gelu, not before it.
    """
    if not _call_context().training:
        return layer.activation(inputs)
    inputs = tf.cast(inputs, layer.compute_dtype)
    activation = xla_ops.activation(layer.activation) if _compiles(width) else layer.activation
    return activation(inputs)


def _normalize(
    width: int, layer: tf_keras.layers.LayerNormalization, unchanged: Activation, inputs: tf.Tensor
) -> tf.Tensor:
    """Replaces `LayerNormalization.call` over the last axis; other axes use the ``unchanged`` method."""
    if layer.axis != [inputs.shape.rank - 1] or not _compiles(width):
        return unchanged(inputs)
    outputs = xla_ops.layer_normalization(tf.cast(inputs, tf.float32), layer.gamma, layer.beta, layer.epsilon)
    return tf.cast(outputs, layer.compute_dtype)


def _dropout(
    width: int,
    random: tf_keras.backend.RandomGenerator,
    unchanged: Callable[..., tf.Tensor],
    inputs: tf.Tensor,
    rate: float,
    noise_shape: tf.Tensor | None = None,
) -> tf.Tensor:
    """Replaces `RandomGenerator.dropout`: draws one key instead of a random number per element.

    The ``unchanged`` method is used where Keras has no stateful generator of the layer's own.
    """
    if not rate:
        return inputs
    random._maybe_init()
    if random._rng_type != random.RNG_STATEFUL or noise_shape is not None or not _compiles(width):
        return unchanged(inputs, rate, noise_shape)
    return xla_ops.dropout(inputs, rate, random._generator.uniform([2], minval=None, maxval=None, dtype=tf.int32))


def _compiles(width: int) -> bool:
    """Returns whether to use XLA: in the training of a wide layer on a CPU without a distribution strategy.

    Its benefit was measured only there.
    """
    accelerators = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU")
    plain_cpu = not accelerators and not tf.distribute.has_strategy()
    return width >= COMPILED_FROM and bool(_call_context().training) and plain_cpu

"""The encoder's layers, doing the same by operations that TensorFlow runs quickly.

tf-models writes every product as an einsum. A plain product of two matrices takes its bias along in one pass, and where
nothing is trained its gelu too (oneDNN); and the axes of attention's einsums have to be turned around each. On a
processor the gelu of a training, and its gradient, are compiled into one pass, and dropout draws half as many random
bits.

Layers stay tf-models' own, with their variables, names and configurations; only what they call is another.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from tf_keras.src.engine import base_layer_utils

Activation = Callable[[tf.Tensor], tf.Tensor]

COMPILED_FROM = 256
"""Width from which one compiled pass saves more than compiling it takes."""


def fuse(encoder: tf_keras.Model) -> None:
    """Changes the layers of a freshly made ``BertEncoder``; what they compute stays the same but for rounding."""
    for block in encoder.transformer_layers:
        activation, attention = block._intermediate_activation_layer, block._attention_layer
        block._intermediate_dense.call = _dense(block._intermediate_dense, functools.partial(_activate, activation))
        activation.call = _unchanged
        for dense in (
            block._output_dense,
            attention._query_dense,
            attention._key_dense,
            attention._value_dense,
            attention._output_dense,
        ):
            dense.call = _dense(dense)
        attention._compute_attention = functools.partial(_attention, attention)
    for layer in encoder.submodules:
        if isinstance(layer, tf_keras.layers.Dropout):
            random = layer._random_generator
            random.dropout = functools.partial(_dropout, random, random.dropout)


def _unchanged(inputs: tf.Tensor) -> tf.Tensor:
    return inputs


def _dense(layer: tf_keras.layers.EinsumDense, activation: Activation = _unchanged) -> Activation:
    """`EinsumDense.call` with a kernel ``[*contracted, *new]``: ``[*rows, *contracted]`` -> ``[*rows, *new]``.

    Keras saves the arguments of what it finds there with a model: there is only the one.
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
    layer: tf_keras.layers.MultiHeadAttention,
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    attention_mask: tf.Tensor | None = None,
    training: bool | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`MultiHeadAttention._compute_attention`: of ``[batch, seq, heads, size]`` each; values' means, and weights."""
    query, key, value = (tf.transpose(states, [0, 2, 1, 3]) for states in (query, key, value))
    scores = tf.matmul(query * layer._key_dim**-0.5, key, transpose_b=True)
    weights = layer._masked_softmax(scores, attention_mask)
    attended = tf.matmul(layer._dropout_layer(weights, training=training), value)
    return tf.transpose(attended, [0, 2, 1, 3]), weights


def _activate(layer: tf_keras.layers.Activation, inputs: tf.Tensor) -> tf.Tensor:
    """In the layer's own precision, which under bfloat16 is float32."""
    inputs = tf.cast(inputs, layer.compute_dtype)
    wide = inputs.shape[-1] >= COMPILED_FROM
    if wide and base_layer_utils.call_context().training and _on_one_processor():
        return _in_one_pass(layer.activation)(inputs)
    return layer.activation(inputs)


@functools.cache
def _in_one_pass(activation: Activation) -> Activation:
    """The same, compiled; its gradient computes it again instead of keeping what is between."""

    def gradient(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = activation(inputs)
        return tape.gradient(outputs, inputs, upstream)

    forward = tf.function(activation, autograph=False, jit_compile=True)
    backward = tf.function(gradient, autograph=False, jit_compile=True)

    @tf.custom_gradient
    def compiled(inputs: tf.Tensor) -> tuple[tf.Tensor, Activation]:
        return forward(inputs), lambda upstream: backward(inputs, upstream)

    return compiled


def _dropout(
    random: tf_keras.backend.RandomGenerator,
    unchanged: Callable[..., tf.Tensor],
    inputs: tf.Tensor,
    rate: float,
    noise_shape: tf.Tensor | None = None,
) -> tf.Tensor:
    """Draws 16 bits a number where Keras draws 32, so that ``rate`` is met to 1 in 65,536."""
    random._maybe_init()
    if random._rng_type != random.RNG_STATEFUL or noise_shape is not None or not _on_one_processor():
        return unchanged(inputs, rate, noise_shape)
    count = tf.size(inputs)
    bits = random._generator.uniform([(count + 1) // 2], minval=None, maxval=None, dtype=tf.int32)
    bits = tf.reshape(tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[:count], tf.shape(inputs))
    dropped = round(rate * 2**16)
    return tf.where(bits >= dropped, inputs * (2**16 / (2**16 - dropped)), tf.zeros([], inputs.dtype))


def _on_one_processor() -> bool:
    """Whether this is neither a GPU's nor a TPU's work, nor that of several devices: elsewhere it was not measured."""
    accelerators = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU")
    return not accelerators and not tf.distribute.has_strategy()

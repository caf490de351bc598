"""Operations between the matrix products of a training, each compiled by XLA into one pass over memory.

On a CPU, TensorFlow runs every operation separately, so a gelu, a dropout or a normalization with its gradient reads
and writes the same numbers a dozen times. Here the gradients are written out, and recompute values instead of storing
them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from checkpoints_tools.common import native_log

native_log.limit_absl()  # XLA announces its first compilation

Function = Callable[[tf.Tensor], tf.Tensor]

compiled = functools.partial(tf.function, autograph=False, jit_compile=True)


@functools.cache
def activation(function: Function) -> Function:
    """Returns the function compiled, with a gradient that recomputes the function instead of storing results."""

    def gradient(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        return tape.gradient(outputs, inputs, upstream)

    forward, backward = compiled(function), compiled(gradient)

    @tf.custom_gradient
    def called(inputs: tf.Tensor) -> tuple[tf.Tensor, Function]:
        return forward(inputs), lambda upstream: backward(inputs, upstream)

    return called


def dropout(inputs: tf.Tensor, rate: float, key: tf.Tensor) -> tf.Tensor:
    """Sets a share ``rate`` of the elements to 0 and divides the others by ``1 - rate``.

    Args:
        inputs: tensor of any shape and floating type.
        rate: from 0 to 1, exclusive.
        key: random ``int32 [2]``, different in each call. The same key drops the same elements, so the gradient needs
            only the key.
    """

    @tf.custom_gradient
    def called(inputs: tf.Tensor) -> tuple[tf.Tensor, Function]:
        return _dropped(inputs, rate, key), lambda upstream: _dropped(upstream, rate, key)

    return called(inputs)


@compiled
def _dropped(inputs: tf.Tensor, rate: float, key: tf.Tensor) -> tf.Tensor:
    """Drops elements by a hash of their position: MurmurHash3's finalizer of an arithmetic progression from ``key``."""
    shape, (step, bits) = tf.shape(inputs), tf.unstack(tf.bitcast(key, tf.uint32))
    position = tf.bitcast(tf.reshape(tf.range(tf.size(inputs)), shape), tf.uint32)
    bits += position * (step | 1)  # an odd step makes all values different
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        bits = (bits ^ tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32))) * tf.constant(factor, tf.uint32)
    bits ^= tf.bitwise.right_shift(bits, tf.constant(16, tf.uint32))
    return tf.where(
        bits >= tf.constant(round(rate * 2**32), tf.uint32), inputs / (1 - rate), tf.zeros([], inputs.dtype)
    )


def softmax_with_dropout(softmax: Function, drop: Function, scores: tf.Tensor) -> tf.Tensor:
    """Returns ``drop(softmax(scores))`` with a gradient that needs only the weights before and after dropout.

    With softmax weights w, weights k after dropout and upstream gradient u, the gradient is ``k u - w sum(k u)``,
    because k is w times dropout's factor.
    """

    @tf.custom_gradient
    def called(scores: tf.Tensor) -> tuple[tf.Tensor, Function]:
        weights = softmax(scores)
        dropped = drop(weights)
        return dropped, lambda upstream: _softmax_gradient(weights, dropped, upstream)

    return called(scores)


@compiled
def _softmax_gradient(weights: tf.Tensor, dropped: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    dtype = upstream.dtype
    weights, dropped, upstream = (tf.cast(values, tf.float32) for values in (weights, dropped, upstream))
    passed = dropped * upstream
    return tf.cast(passed - weights * tf.reduce_sum(passed, -1, keepdims=True), dtype)


def layer_normalization(inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Normalizes over the last axis (Ba et al., 2016).

    Args:
        inputs: ``float32 [..., size]``.
        scale: ``float32 [size]``.
        offset: ``float32 [size]``.
        epsilon: added to the variance.
    """

    @tf.custom_gradient
    def called(inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            of_inputs, of_scale = _normalized_gradient(inputs, scale, upstream, epsilon)
            return of_inputs, _sum_of_rows(of_scale), _sum_of_rows(upstream)

        return _normalized(inputs, scale, offset, epsilon), gradient

    return called(inputs, scale, offset)


def _sum_of_rows(values: tf.Tensor) -> tf.Tensor:
    """Sums ``[..., size]`` to ``[size]``; the op for a bias's gradient is the fastest way."""
    return tf.raw_ops.BiasAddGrad(out_backprop=values)


def _standardized(inputs: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the inputs with mean 0 and variance 1 over the last axis, and the factor by which they were scaled."""
    centred = inputs - tf.reduce_mean(inputs, -1, keepdims=True)
    factor = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
    return centred * factor, factor


@compiled
def _normalized(inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float) -> tf.Tensor:
    return _standardized(inputs, epsilon)[0] * scale + offset


@compiled
def _normalized_gradient(
    inputs: tf.Tensor, scale: tf.Tensor, upstream: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradient of the inputs, and the scale's gradient before it is summed over the rows."""
    standard, factor = _standardized(inputs, epsilon)
    passed = upstream * scale
    along = tf.reduce_mean(passed * standard, -1, keepdims=True)
    return factor * (passed - tf.reduce_mean(passed, -1, keepdims=True) - standard * along), upstream * standard

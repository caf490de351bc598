"""What a training does between its matrix products, each compiled into one pass over memory.

On a processor TensorFlow runs each operation by itself, so a gelu, a dropout or a normalization, with its gradient,
reads and writes the same numbers a dozen times. Here the gradients are written out, and computed from what is at hand
instead of from what would have to be kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

Function = Callable[[tf.Tensor], tf.Tensor]

compiled = functools.partial(tf.function, autograph=False, jit_compile=True)


@functools.cache
def activation(function: Function) -> Function:
    """The same function; its gradient computes it again."""

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
    """Sets a share ``rate`` of the numbers to 0 and divides the others by what is left of 1.

    Args:
        inputs: of any shape and floating type.
        rate: from 0 to 1, exclusive.
        key: ``int32 [2]``, drawn anew each time. The same key drops the same numbers, which the gradient makes use of.
    """

    @tf.custom_gradient
    def called(inputs: tf.Tensor) -> tuple[tf.Tensor, Function]:
        return _dropped(inputs, rate, key), lambda upstream: _dropped(upstream, rate, key)

    return called(inputs)


@compiled
def _dropped(inputs: tf.Tensor, rate: float, key: tf.Tensor) -> tf.Tensor:
    """Each number's random bits are a hash of its position: MurmurHash3's finalizer, of a progression by ``key``."""
    shape, (step, bits) = tf.shape(inputs), tf.unstack(tf.bitcast(key, tf.uint32))
    position = tf.bitcast(tf.reshape(tf.range(tf.size(inputs)), shape), tf.uint32)
    bits += position * (step | 1)  # odd: all are different
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        bits = (bits ^ tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32))) * tf.constant(factor, tf.uint32)
    bits ^= tf.bitwise.right_shift(bits, tf.constant(16, tf.uint32))
    return tf.where(
        bits >= tf.constant(round(rate * 2**32), tf.uint32), inputs / (1 - rate), tf.zeros([], inputs.dtype)
    )


def softmax_with_dropout(softmax: Function, drop: Function, scores: tf.Tensor) -> tf.Tensor:
    """``drop(softmax(scores))``, whose gradient needs only what the product with it and this have kept anyway.

    With weights w, of which k are left, and upstream u, it is ``k u - w sum(k u)``: k is w times what dropout
    multiplied it by.
    """

    @tf.custom_gradient
    def called(scores: tf.Tensor) -> tuple[tf.Tensor, Function]:
        weights = softmax(scores)
        left = drop(weights)
        return left, lambda upstream: _softmax_gradient(weights, left, upstream)

    return called(scores)


@compiled
def _softmax_gradient(weights: tf.Tensor, left: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    kind = upstream.dtype
    weights, left, upstream = (tf.cast(values, tf.float32) for values in (weights, left, upstream))
    passed = left * upstream
    return tf.cast(passed - weights * tf.reduce_sum(passed, -1, keepdims=True), kind)


def layer_normalization(inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Over the last axis (Ba et al., 2016): ``float32 [..., size]``, with ``float32 [size]`` of scale and of offset."""

    @tf.custom_gradient
    def called(inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            of_inputs, of_scale = _normalized_gradient(inputs, scale, upstream, epsilon)
            return of_inputs, _sum_of_rows(of_scale), _sum_of_rows(upstream)

        return _normalized(inputs, scale, offset, epsilon), gradient

    return called(inputs, scale, offset)


def _sum_of_rows(values: tf.Tensor) -> tf.Tensor:
    """``[..., size]`` -> ``[size]``: what is quickest at it is the gradient of a bias."""
    return tf.raw_ops.BiasAddGrad(out_backprop=values)


def _standardized(inputs: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Of mean 0 and variance 1; and what it was multiplied by."""
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
    """Of the inputs; and of the scale, not yet summed."""
    standard, factor = _standardized(inputs, epsilon)
    passed = upstream * scale
    along = tf.reduce_mean(passed * standard, -1, keepdims=True)
    return factor * (passed - tf.reduce_mean(passed, -1, keepdims=True) - standard * along), upstream * standard

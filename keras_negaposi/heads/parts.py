"""What several heads are made of."""

from __future__ import annotations

import tensorflow as tf
import tf_keras


def masked_mean(states: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """``[batch, seq, dim]`` and ``[batch, seq]`` -> ``float32 [batch, dim]``, the mean where ``mask`` is 1."""
    states, mask = tf.cast(states, tf.float32), tf.cast(mask, tf.float32)
    weights = mask / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)
    return tf.einsum("bs,bsd->bd", weights, states)


def compare(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """``[batch, dim]`` twice -> ``[batch, 4 * dim]``: u, v, |u - v|, u * v (InferSent, Conneau et al., 1705.02364)."""
    return tf.concat([u, v, tf.abs(u - v), u * v], axis=1)


def projection(size: int, name: str) -> tf_keras.layers.Dense:
    """A linear map that begins as a fixed orthogonal one.

    Two of one size begin equal, so that a query and a key are compared at first as the encoder's own vectors would be,
    and part as training parts the roles of A and B.
    """
    return tf_keras.layers.Dense(
        size, kernel_initializer=tf_keras.initializers.Orthogonal(seed=0), dtype=tf.float32, name=name
    )

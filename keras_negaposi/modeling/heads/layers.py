"""What several heads are made of."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from keras_negaposi.modeling.common import CLASSES

FIRST_SLOPE = 1.3
"""Half of the log-odds that one standard deviation of the cosine is worth at first: the best for normal classes of one
variance that a ROC AUC of 0.91 parts."""


def masked_mean(states: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """``[batch, seq, dim]`` and ``[batch, seq]`` -> ``float32 [batch, dim]``, the mean where ``mask`` is 1."""
    states, mask = tf.cast(states, tf.float32), tf.cast(mask, tf.float32)
    weights = mask / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)
    return tf.einsum("bs,bsd->bd", weights, states)


def compare(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """``[batch, dim]`` twice -> ``[batch, 4 * dim]``: u, v, |u - v|, u * v (InferSent, Conneau et al., 1705.02364)."""
    return tf.concat([u, v, tf.abs(u - v), u * v], axis=1)


def compare_in_order(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """``[batch, dim]`` twice -> ``[batch, 4 * dim]``: u, v, u * v, u - v, which tells which of them comes first."""
    return tf.concat([u, v, u * v, u - v], axis=1)


def cosine(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """``[batch, dim]`` twice -> ``[batch]``."""
    return tf.reduce_sum(tf.math.l2_normalize(u, axis=1) * tf.math.l2_normalize(v, axis=1), axis=1)


def running_norm(name: str, **more: object) -> tf_keras.layers.BatchNormalization:
    """Takes off what all texts share, by running moments quick enough for a run of a few hundred steps."""
    return tf_keras.layers.BatchNormalization(momentum=0.9, dtype=tf.float32, name=name, **more)


class Projection(tf_keras.layers.Dense):
    """A linear map that begins as a fixed orthogonal one.

    Two of one size begin equal, so that a query and a key are compared at first as the encoder's own vectors would be,
    and part as training parts the roles of A and B.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__(size, kernel_initializer=tf_keras.initializers.Orthogonal(seed=0), dtype=tf.float32, name=name)


class CosineLogits(tf_keras.layers.Layer):
    """Cosines, ``float32 [batch]``, to logits of the classes, ``[batch, 2]``, which part as the cosine rises.

    The cosine is standardised by its running mean and variance: the first guess then has its threshold between the
    classes, whatever the encoder's cosines are like.
    """

    def __init__(self) -> None:
        super().__init__(dtype=tf.float32, name="cosine_logits")
        self.standardize = running_norm("standardize", epsilon=1e-6, center=False, scale=False)
        self.classifier = tf_keras.layers.Dense(
            CLASSES,
            kernel_initializer=tf_keras.initializers.Constant([[-FIRST_SLOPE, FIRST_SLOPE]]),
            dtype=tf.float32,
            name="classifier",
        )

    def call(self, cosines: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.classifier(self.standardize(cosines[:, tf.newaxis]))

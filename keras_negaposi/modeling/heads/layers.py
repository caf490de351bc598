"""Layers and functions that several heads use."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from keras_negaposi.modeling.common import CLASSES

FIRST_SLOPE = 1.3
"""Initial change of each class's logit per standard deviation of the cosine: half of the change of the log-odds. It is
optimal for two normal distributions of equal variance that are separated with a ROC AUC of 0.91."""


def masked_mean(states: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Averages where ``mask`` is 1: ``[batch, seq, dim]`` and ``[batch, seq]`` -> ``float32 [batch, dim]``."""
    states, mask = tf.cast(states, tf.float32), tf.cast(mask, tf.float32)
    weights = mask / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)
    return tf.einsum("bs,bsd->bd", weights, states)


def side_masks(word_ids: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where A's and where B's tokens are in the joint layout, ``int32 [batch, seq]`` each.

    The input's last token is a separator, and B follows the first one. Token types would not tell: some tokenizers know
    only one. ``[CLS]`` and the first ``[SEP]`` count as A.

    Args:
        word_ids: ``[CLS] A [SEP] B [SEP]`` and padding, ``int32 [batch, seq]``.
        mask: 1 for a token and 0 for padding, ``int32 [batch, seq]``.
    """
    last = tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True) - 1, 0)
    separators = tf.cast(word_ids == tf.gather(word_ids, last, batch_dims=1), mask.dtype)
    mask_b = mask * tf.minimum(tf.cumsum(separators, axis=1, exclusive=True), 1)
    return mask - mask_b, mask_b


def compare(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Returns u, v, |u - v|, u * v, ``[batch, 4 * dim]``, as InferSent does (Conneau et al., arXiv 1705.02364)."""
    return tf.concat([u, v, tf.abs(u - v), u * v], axis=1)


def compare_in_order(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Returns u, v, u * v, u - v, ``[batch, 4 * dim]``; the signed difference tells which of them comes first."""
    return tf.concat([u, v, u * v, u - v], axis=1)


def cosine(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Returns the cosine of two ``[batch, dim]`` row by row, ``[batch]``."""
    return tf.reduce_sum(tf.math.l2_normalize(u, axis=1) * tf.math.l2_normalize(v, axis=1), axis=1)


def running_norm(name: str, **more: object) -> tf_keras.layers.BatchNormalization:
    """Returns a layer that normalizes by running moments, which adapt within a run of a few hundred steps."""
    return tf_keras.layers.BatchNormalization(momentum=0.9, dtype=tf.float32, name=name, **more)


class Projection(tf_keras.layers.Dense):
    """A linear map that is initialized with a fixed orthogonal matrix.

    Two projections of the same size start equal, so query and key first compare like the encoder's own embeddings.
    Training then separates the roles of A and B.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__(size, kernel_initializer=tf_keras.initializers.Orthogonal(seed=0), dtype=tf.float32, name=name)


class FixedStandardization(tf_keras.layers.Layer):
    """Subtracts a fixed mean and divides by a fixed deviation, so that training and inference compute the same.

    Both are set once, from data (`modeling.start`); before that, the layer returns its input.
    """

    def __init__(self, name: str) -> None:
        super().__init__(dtype=tf.float32, name=name)

    def build(self, shape: tf.TensorShape) -> None:
        """Creates mean and deviation, ``float32 [dim]`` each."""
        self.mean = self.add_weight("mean", shape[-1:], initializer="zeros", trainable=False)
        self.deviation = self.add_weight("deviation", shape[-1:], initializer="ones", trainable=False)
        super().build(shape)

    def call(self, numbers: tf.Tensor) -> tf.Tensor:
        """Standardizes ``float32 [batch, dim]``."""
        return (numbers - self.mean) / self.deviation


class CosineLogits(tf_keras.layers.Layer):
    """Turns cosines, ``float32 [batch]``, into logits, ``[batch, 2]``; the logit of "next" increases with the cosine.

    The cosine is standardized by its running mean and variance, so the initial threshold lies between the classes,
    whatever range the encoder's cosines have.

    Args:
        adapts: whether mean and variance follow those of the training's batches; otherwise they stay as they are, so
            that training and inference compute the same.
    """

    def __init__(self, adapts: bool = True) -> None:
        super().__init__(dtype=tf.float32, name="cosine_logits")
        self.adapts = adapts
        self.standardize = running_norm("standardize", epsilon=1e-6, center=False, scale=False)
        self.classifier = tf_keras.layers.Dense(
            CLASSES,
            kernel_initializer=tf_keras.initializers.Constant([[-FIRST_SLOPE, FIRST_SLOPE]]),
            dtype=tf.float32,
            name="classifier",
        )

    def call(self, cosines: tf.Tensor) -> tf.Tensor:
        """Returns the logits, ``float32 [batch, 2]``."""
        standardized = self.standardize(cosines[:, tf.newaxis], training=None if self.adapts else False)
        return self.classifier(standardized)

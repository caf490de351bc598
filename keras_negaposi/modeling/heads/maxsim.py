"""Late interaction (``maxsim``): every token of A finds its most similar token of B, and the other way round.

ColBERT (Khattab & Zaharia 2020, arXiv 2004.12832), in both directions, and joined by the cosine of a bi-encoder.
Layout: A and B in separate inputs. Cached of B: ``keys [tokens, size]``, of length 1 each; at size 128 in fp16, 256
bytes per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.common import CLASSES
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel, Side, built
from keras_negaposi.modeling.heads.layers import FIRST_SLOPE, FixedStandardization, Projection, cosine, masked_mean
from keras_negaposi.modeling.heads.tensor_names import KEYS, MASK
from keras_negaposi.modeling.start import Sample, Values, fit_logits, principal_components

if TYPE_CHECKING:
    from keras_negaposi.config import HeadConfig

SIZE = 128
NUMBERS = 3
"""Numbers per pair that the classifier reads, from `late_interaction`."""
BELOW_ANY_COSINE = -2.0


class MaxSim(CacheableModel):
    """Classifies a pair by three cosines of its projected tokens, see `late_interaction`.

    A and B share the projection, since tokens are compared in one space; the two directions have their own weights.
    ``[CLS]`` and ``[SEP]`` are tokens like the others, so that no text is empty.

    Args:
        config: architecture of the encoder.
        size: size of the projected tokens.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, size: int, name: str) -> None:
        super().__init__(config, name)
        # Its bias centres: the encoder's tokens share a large common component, which would make every cosine high.
        self.projection = Projection(size, "tokens")
        self.standardize = FixedStandardization("standardize")
        self.classifier = classifier_of_cosines()

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns A's projected tokens, ``keys [batch, seq, size]``, of length 1 each."""
        return {KEYS: unit_tokens(self.projection(states)), MASK: mask}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns the same of B."""
        return self.query(states, mask)

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Compares A and B row by row: ``float32 [batch, 2]``."""
        return tf.nn.softmax(self.classifier(self.standardize(late_interaction(a, b))))

    def start(self, sample: Sample) -> Values:
        """Returns the values with which the head compares as the frozen encoder does."""
        return start_of_cosines(self.projection, self.standardize, self.classifier, sample)


def late_interaction(a: Side, b: Side) -> tf.Tensor:
    """Compares the tokens of A and B, row by row.

    Args:
        a: A's tokens of length 1, ``keys [batch, seq, size]``, and their ``mask``.
        b: the same of B; its ``seq`` may differ.

    Returns:
        ``float32 [batch, 3]``: the mean over A's tokens of the highest cosine with a token of B; the same from B to A;
        and the cosine of the means of A's and of B's tokens.
    """
    cosines = tf.matmul(a[KEYS], b[KEYS], transpose_b=True)
    # Not indexed with tf.newaxis, which LiteRT cannot convert in the last place.
    mask_a, mask_b = tf.expand_dims(a[MASK], 2), tf.expand_dims(b[MASK], 1)
    best_of_b = tf.reduce_max(tf.where(mask_b > 0, cosines, BELOW_ANY_COSINE), axis=2, keepdims=True)
    best_of_a = tf.reduce_max(tf.where(mask_a > 0, cosines, BELOW_ANY_COSINE), axis=1)
    directions = [masked_mean(best_of_b, a[MASK]), masked_mean(tf.expand_dims(best_of_a, 2), b[MASK])]
    means = cosine(masked_mean(a[KEYS], a[MASK]), masked_mean(b[KEYS], b[MASK]))
    return tf.concat([*directions, tf.expand_dims(means, 1)], axis=1)


def classifier_of_cosines() -> tf_keras.layers.Dense:
    """Returns the layer that turns `late_interaction`, standardized, into the logits of both classes."""
    return tf_keras.layers.Dense(
        CLASSES,
        kernel_initializer=tf_keras.initializers.Constant([[-FIRST_SLOPE, FIRST_SLOPE]] * NUMBERS),
        dtype=tf.float32,
        name="classifier",
    )


def start_of_cosines(
    projection: Projection, standardize: FixedStandardization, classifier: tf_keras.layers.Dense, sample: Sample
) -> Values:
    """Returns the values with which three layers compare tokens as the frozen encoder does.

    The projection keeps the directions in which tokens vary most; at full width it is a rotation already. The
    classifier is a logistic regression.
    """
    tokens = np.concatenate([*sample.a, *sample.b])
    kernel = projection.kernel.numpy()
    hidden, size = kernel.shape
    if size < hidden:
        kernel = principal_components(tokens, size)
    bias = -tokens.mean(axis=0, dtype=np.float64).astype(np.float32) @ kernel
    sides = ([_side(states @ kernel + bias) for states in texts] for texts in (sample.a, sample.b))
    fit = fit_logits(np.concatenate([late_interaction(a, b) for a, b in zip(*sides, strict=True)]), sample.labels)
    return [
        (projection.kernel, kernel),
        (projection.bias, bias),
        (standardize.mean, fit.mean),
        (standardize.deviation, fit.deviation),
        (classifier.kernel, fit.kernel),
        (classifier.bias, fit.bias),
    ]


def unit_tokens(projected: tf.Tensor) -> tf.Tensor:
    """Scales each token of ``[batch, seq, size]`` to length 1."""
    return tf.math.l2_normalize(projected, axis=2)


def _side(projected: np.ndarray) -> Side:
    """Returns one text, ``float32 [tokens, size]``, as a batch of one."""
    keys = unit_tokens(projected[np.newaxis])
    return {KEYS: keys, MASK: tf.ones(keys.shape[:2], tf.int32)}


def build(options: HeadConfig, config: BertConfig) -> MaxSim:
    """Builds the model."""
    return built(MaxSim(config, options.size_or(SIZE), options.head))

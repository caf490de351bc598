"""A fitted lexical model as TensorFlow ops on strings."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_negaposi.lexical.graph_ops import LexicalFeatures
from keras_negaposi.lexical.model import LexicalModel


class LexicalScorer(tf.Module):
    """A fitted `LexicalModel` as graph ops.

    Args:
        model: the fitted model. Its page frequencies and neighbours become variables, the rest constants.
    """

    def __init__(self, model: LexicalModel) -> None:
        super().__init__()
        self._features = LexicalFeatures(model.frequencies, model.neighbours)
        self._linear = _Linear(model)
        self._plain = _Linear(model.plain) if model.plain else None

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> tf.Tensor:
        """Maps ``string [batch]`` twice to the logit that B comes next, ``float64 [batch]``."""
        features = tf.cast(self._features(text_a, text_b), tf.float64)
        logits = self._linear(features)
        return tf.where(features[:, -1] > 0, logits, self._plain(features)) if self._plain else logits


class _Linear:
    """A fitted linear model of the first features."""

    def __init__(self, model: LexicalModel) -> None:
        weights = model.coefficients / model.scale
        self._weights = tf.constant(weights[:, np.newaxis], tf.float64)
        self._offset = float(model.intercept - model.mean @ weights)

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Maps ``float64 [batch, features]`` to logits, ``float64 [batch]``."""
        return tf.squeeze(features[:, : len(self._weights)] @ self._weights, 1) + self._offset

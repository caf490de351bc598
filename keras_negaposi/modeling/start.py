"""A head's start from data: its variables before the first step are computed from a sample of training pairs.

A random head would first have to learn what the pre-trained encoder knows already, in a run of a few hundred steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

Values = list[tuple[tf.Variable, np.ndarray]]
"""Variables of a head and the values with which they start."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Labelled training pairs as the frozen encoder sees them.

    Attributes:
        a: last hidden states of each A without padding, ``float32 [tokens, hidden]`` each.
        b: the same of each B.
        labels: 1 if B comes next, else 0, ``int [pairs]``; there are pairs of both classes.
    """

    a: Sequence[np.ndarray]
    b: Sequence[np.ndarray]
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class LogitFit:
    """A logistic regression on standardized numbers, as a softmax of two classes.

    Attributes:
        mean: mean of each number, ``float32 [numbers]``.
        deviation: standard deviation of each number, ``float32 [numbers]``.
        kernel: weights of the standardized numbers, ``float32 [numbers, 2]``.
        bias: ``float32 [2]``.
    """

    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray


def fit_logits(numbers: np.ndarray, labels: np.ndarray) -> LogitFit:
    """Fits a logistic regression to ``float [pairs, numbers]``; half of its logit goes to either class."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(numbers)  # the scale of a constant number is 1
    regression = LogisticRegression().fit(scaler.transform(numbers), labels)
    kernel, bias = (
        np.stack([-half, half], axis=-1) for half in (regression.coef_[0] / 2, regression.intercept_[0] / 2)
    )
    return LogitFit(*(value.astype(np.float32) for value in (scaler.mean_, scaler.scale_, kernel, bias)))


def principal_components(tokens: np.ndarray, count: int) -> np.ndarray:
    """Returns the directions in which tokens, ``float [tokens, hidden]``, vary most: ``float32 [hidden, count]``.

    The directions are orthonormal. Each one's largest entry is positive, so that the same tokens always give the same.
    """
    covariance = np.cov(tokens, rowvar=False, dtype=np.float64)
    _, vectors = np.linalg.eigh(covariance)  # in the order of ascending variance
    components = vectors[:, ::-1][:, :count]
    largest = components[np.abs(components).argmax(axis=0), np.arange(count)]
    return (components * np.sign(largest)).astype(np.float32)


def means_of(texts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mean of each text's tokens: ``[tokens, hidden]`` each -> ``float32 [texts, hidden]``."""
    return np.stack([states.mean(axis=0) for states in texts])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scales each row to length 1; a row of zeros stays as it is."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def moments(layer: tf_keras.layers.BatchNormalization, vectors: np.ndarray) -> Values:
    """Returns the running moments of a layer that has seen these vectors, ``float [vectors, dim]``."""
    return [(layer.moving_mean, vectors.mean(axis=0)), (layer.moving_variance, vectors.var(axis=0))]

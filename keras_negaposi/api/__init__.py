"""The Python API: `PairClassifier`, a scikit-learn classifier over a training run."""

from keras_negaposi.api.pair_classifier import PairClassifier

__all__ = ["PairClassifier"]

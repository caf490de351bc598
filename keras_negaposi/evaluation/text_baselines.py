"""Baselines on the texts alone, without BERT.

Each takes the texts, the training pairs and the test pairs, and returns the probabilities that B comes next,
``float64 [test pairs]``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.tfidf import NGrams
from keras_negaposi.evaluation.baseline_comparison import COSINE, LEXICAL
from keras_negaposi.lexical.model import LexicalModel, features_of_pairs
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.vocabulary import PageFrequencies

INVERSE_REGULARIZATION = 0.01
Texts = dict[str, str]
Trivial = Callable[[Texts, Sequence[Pair], Sequence[Pair]], np.ndarray]


def labels_of(pairs: Sequence[Pair]) -> np.ndarray:
    """Returns the labels of pairs, ``int [pairs]``."""
    return np.array([pair.label for pair in pairs])


def majority(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts the more frequent class of the training pairs; if both are equally frequent, 0."""
    return np.full(len(test), float(labels_of(train).mean() > 0.5))


def lengths_only(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts by logistic regression on the lengths of A and B in characters."""
    return fit_and_score(_lengths(texts, train), _lengths(texts, test), labels_of(train))


def a_only(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts by logistic regression on the n-grams of A alone; above chance, the labels leak through A."""
    return _one_side([texts[pair.a] for pair in train], [texts[pair.a] for pair in test], labels_of(train))


def b_only(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts by logistic regression on the n-grams of B alone; above chance, the labels leak through B."""
    return _one_side([texts[pair.b] for pair in train], [texts[pair.b] for pair in test], labels_of(train))


def tfidf_cosine(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts by logistic regression on `tfidf_features`."""
    return fit_and_score(*tfidf_features(texts, train, test), labels_of(train))


def lexical(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> np.ndarray:
    """Predicts by logistic regression on lexical features; page frequencies come from all texts, without labels."""
    return score_lexical(texts, train, test, np.zeros(0, np.int64)).probabilities


TRIVIAL: dict[str, Trivial] = {
    "majority": majority,
    "A only": a_only,
    "B only": b_only,
    "lengths only": lengths_only,
    COSINE: tfidf_cosine,
    LEXICAL: lexical,
}


@dataclasses.dataclass(frozen=True)
class LexicalScores:
    """The predictions of `lexical`, and the features behind them, which another baseline uses again.

    Attributes:
        model: the model of the lexical features, fitted to the training pairs.
        train_features: lexical features of the chosen training pairs, ``float32 [chosen pairs, features]``.
        test_features: those of the test pairs, ``float32 [test pairs, features]``.
        probabilities: ``float64 [test pairs]``.
    """

    model: LexicalModel
    train_features: np.ndarray
    test_features: np.ndarray
    probabilities: np.ndarray


def score_lexical(
    texts: Texts, train: Sequence[Pair], test: Sequence[Pair], chosen: np.ndarray, fitted: LexicalModel | None = None
) -> LexicalScores:
    """Computes lexical features and scores the test pairs.

    Args:
        texts: by title.
        train: pairs to train on.
        test: pairs to score.
        chosen: numbers of the training pairs whose features are returned, ``int [chosen pairs]``.
        fitted: a lexical model that has been fitted to the same texts and training pairs. If it was fitted alone, the
            other training pairs' features are not computed; if not, only its pages are used again.
    """
    if fitted and fitted.alone:
        model, some = fitted, [train[row] for row in chosen]
        train_features = features_of_pairs(model.frequencies, texts, some, model.neighbours)
    else:
        frequencies = fitted.frequencies if fitted else PageFrequencies.of(texts.values())
        neighbours = (fitted and fitted.neighbours) or Neighbours.of(frequencies, texts.values())
        every = features_of_pairs(frequencies, texts, train, neighbours)
        model = LexicalModel.fit_features(frequencies, every, [pair.label for pair in train], neighbours)
        train_features = every[chosen]
    test_features = features_of_pairs(model.frequencies, texts, test, model.neighbours)
    return LexicalScores(
        model, train_features, test_features, 1 / (1 + np.exp(-model.logits_of_features(test_features)))
    )


def tfidf_features(texts: Texts, train: Sequence[Pair], test: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the features of the training and of the test pairs, ``float64 [pairs, 3]`` each.

    They are the cosine of A's and B's TF-IDF character n-grams and both lengths in characters. The n-grams and their
    weights come from the training pairs' texts only.
    """
    weighing = NGrams()
    return _cosine_and_lengths(texts, train, weighing.fit_transform), _cosine_and_lengths(
        texts, test, weighing.transform
    )


def _cosine_and_lengths(texts: Texts, pairs: Sequence[Pair], weigh: Callable[[list[str]], csr_matrix]) -> np.ndarray:
    """Returns `tfidf_features` of one part; ``weigh`` gets each text once and returns a row of length 1 for each."""
    of_pairs = sorted({texts[title] for pair in pairs for title in (pair.a, pair.b)})
    numbers, rows = {text: number for number, text in enumerate(of_pairs)}, weigh(of_pairs)
    ends = np.array([[numbers[texts[pair.a]], numbers[texts[pair.b]]] for pair in pairs])
    cosine = np.asarray(rows[ends[:, 0]].multiply(rows[ends[:, 1]]).sum(axis=1)).ravel()
    return np.column_stack([cosine, _lengths(texts, pairs)])


def fit_and_score(
    train_features: np.ndarray | csr_matrix,
    test_features: np.ndarray | csr_matrix,
    labels: np.ndarray,
    inverse_regularization: float = INVERSE_REGULARIZATION,
) -> np.ndarray:
    """Standardizes features, fits a logistic regression and scores the test pairs."""
    sparse = not isinstance(train_features, np.ndarray)
    classifier = make_pipeline(
        StandardScaler(with_mean=not sparse), LogisticRegression(max_iter=2000, C=inverse_regularization)
    )
    return classifier.fit(train_features, labels).predict_proba(test_features)[:, 1]


def _lengths(texts: Texts, pairs: Sequence[Pair]) -> np.ndarray:
    """Returns the lengths of A and B in characters, ``float64 [pairs, 2]``."""
    return np.array([[len(texts[pair.a]), len(texts[pair.b])] for pair in pairs], dtype=np.float64)


def _one_side(train: list[str], test: list[str], labels: np.ndarray) -> np.ndarray:
    """Predicts by logistic regression on the n-grams of one side's texts."""
    weighing = NGrams()
    train_features = weighing.fit_transform(train)
    classifier = LogisticRegression(max_iter=200)
    return classifier.fit(train_features, labels).predict_proba(weighing.transform(test))[:, 1]

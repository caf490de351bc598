"""What needs no BERT: the classifiers that a trained model must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from keras_negaposi.pairs import Pair


def tfidf_features(texts: dict[str, str], train: Sequence[Pair], pairs: Sequence[Pair]) -> np.ndarray:
    """``float64 [pairs, 3]``: cosine of TF-IDF character bigrams and trigrams, and both lengths in characters.

    The n-grams and their weights come from the training pairs' texts only.
    """
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), sublinear_tf=True)
    vectorizer.fit(sorted({texts[title] for pair in train for title in (pair.a, pair.b)}))
    a = vectorizer.transform([texts[pair.a] for pair in pairs])
    b = vectorizer.transform([texts[pair.b] for pair in pairs])
    cosine = np.asarray(a.multiply(b).sum(axis=1)).ravel()  # rows have length 1
    lengths = [[len(texts[pair.a]), len(texts[pair.b])] for pair in pairs]
    return np.column_stack([cosine, lengths])


def majority_accuracy(train: Sequence[Pair], test: Sequence[Pair]) -> float:
    """Accuracy of always giving the training pairs' commoner class."""
    commoner = int(sum(pair.label for pair in train) * 2 > len(train))
    return float(np.mean([pair.label == commoner for pair in test]))

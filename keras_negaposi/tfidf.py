"""How like two texts are by their letters."""

from __future__ import annotations

from sklearn.feature_extraction.text import TfidfVectorizer


def vectorizer() -> TfidfVectorizer:
    """TF-IDF of character bigrams and trigrams: Japanese needs no word boundaries for it."""
    return TfidfVectorizer(analyzer="char", ngram_range=(2, 3), sublinear_tf=True)

"""How like two texts are by their letters."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from checkpoints_tools.common.errors import InputError


class NGrams:
    """TF-IDF of character bigrams and trigrams: Japanese needs no word boundaries for it.

    Rows have length 1. A text without any known n-gram has a row of zeros; where no text fitted on has two characters,
    all have.
    """

    def __init__(self) -> None:
        self._vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), sublinear_tf=True)
        self._any = True

    def fit_transform(self, texts: Iterable[str]) -> csr_matrix:
        """Learns the n-grams and their weights from some texts; gives their rows, ``float64 [texts, n-grams]``."""
        count = itertools.count()
        try:
            return self._vectorizer.fit_transform(text for text, _ in zip(texts, count, strict=False))
        except ValueError as error:
            if isinstance(error, InputError) or "empty vocabulary" not in str(error):
                raise
            self._any = False
            return csr_matrix((next(count), 1))

    def transform(self, texts: list[str]) -> csr_matrix:
        """The rows of other texts."""
        return self._vectorizer.transform(texts) if self._any else csr_matrix((len(texts), 1))

"""Features of a pair of texts that need no neural network, the strongest first.

They measure what A and B share (TF-IDF cosines of n-grams and words, also between the end of A and the start of B; the
rarity of the shared n-grams), how similar their styles are, and how long they are. They are computed without labels.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.lexical.code_points import CodePoints, code_points
from keras_negaposi.lexical.ngrams import Terms
from keras_negaposi.lexical.vocabulary import HIRAGANA, KANJI, KATAKANA, KINDS, PageFrequencies, scripts_of

GRAMS, LONG_GRAMS = "2-3-grams", "2-4-grams"
COSINE_FEATURE = f"{GRAMS}: A, B"
"""Name of the TF-IDF cosine of both whole texts."""
ENDS = (40, 80, 120)
"""Numbers of characters at the end of A and at the start of B that are compared."""
MIDDLE = ENDS[1]
"""Characters of the ends that are compared with whole texts."""
RARE = (3, 10, 40)
"""An n-gram is rare if at most this many pages contain it."""
RAREST = 5
"""Number of the rarest shared n-grams whose mean rarity is a feature."""
PAIRS_AT_ONCE = 4096

STYLES: dict[str, tuple[str, ...]] = {
    "です・ます": ("です", "ます", "でした", "ました"),
    "だ・である": ("だ。", "だ ", "である", "だった"),
    "full stops": ("。",),
    "commas": ("、", ","),
    "spaces": (" ",),
    "question marks": ("?",),
    "exclamation marks": ("!", "w"),
    "quotation marks": tuple('「」『』"'),
    "brackets": tuple("()[]{}<>"),
    "bullets": tuple("・-→:"),
    "Latin letters": tuple("abcdefghijklmnopqrstuvwxyz"),
    "digits": tuple("0123456789"),
}
"""Name -> strings that are counted, after the normalisation of `code_points`."""
SCRIPTS = {"kanji": (KANJI,), "katakana": (KATAKANA,), "Japanese": (KANJI, KATAKANA, HIRAGANA)}
SENTENCE_ENDS = "。.!?」)"


@dataclasses.dataclass(frozen=True)
class _Texts:
    """Different texts, with their terms and TF-IDF vectors, which are computed once."""

    points: CodePoints
    frequencies: PageFrequencies
    _vectors: dict[tuple, csr_matrix] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def terms(self) -> dict[str, Terms]:
        """Returns the terms by kind."""
        return {kind: terms(self.points) for kind, terms in KINDS.items()}

    def vectors(self, kind: str, head: int | None = None, tail: int | None = None) -> csr_matrix:
        """Returns TF-IDF vectors of the whole texts, their first ``head`` or their last ``tail`` characters.

        The result is ``float32 [texts, BUCKETS]``.
        """
        key = kind, head, tail
        if key not in self._vectors:
            terms = self.terms[kind]
            terms = terms.head(head) if head else terms.tail(tail) if tail else terms
            self._vectors[key] = self.frequencies.tfidf(kind, terms)
        return self._vectors[key]


def lexical_features(
    frequencies: PageFrequencies, texts: Sequence[str], a: np.ndarray, b: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Computes the features of pairs.

    Args:
        frequencies: page frequencies of the corpus.
        texts: each text once.
        a: index of the text that is A, ``int [pairs]``.
        b: index of the text that is B, ``int [pairs]``.

    Returns:
        The names of the features, and ``float32 [pairs, features]``.
    """
    prepared = _Texts(code_points(texts), frequencies)
    columns = {**_cosines(prepared, a, b), **_rarity(prepared, a, b), **_style(prepared.points, a, b)}
    return list(columns), np.column_stack([*columns.values()]).astype(np.float32)


@functools.cache
def feature_names() -> list[str]:
    """Returns the names of the features, in their order."""
    return lexical_features(PageFrequencies.of([""]), [""], np.zeros(1, np.int64), np.zeros(1, np.int64))[0]


def _cosines(texts: _Texts, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the cosines of A and B, whole and in part, each ``float32 [pairs]``."""
    whole = texts.vectors(GRAMS)
    columns = {f"{kind}: A, B": _dot(texts.vectors(kind), texts.vectors(kind), a, b) for kind in KINDS}
    for size in ENDS:
        ends = texts.vectors(GRAMS, tail=size), texts.vectors(GRAMS, head=size)
        columns[f"{GRAMS}: last {size} of A, first {size} of B"] = _dot(*ends, a, b)
    tail, head = texts.vectors(GRAMS, tail=MIDDLE), texts.vectors(GRAMS, head=MIDDLE)
    columns[f"{GRAMS}: last {MIDDLE} of A, B"] = _dot(tail, whole, a, b)
    columns[f"{GRAMS}: A, first {MIDDLE} of B"] = _dot(whole, head, a, b)
    columns[f"{GRAMS}: first {MIDDLE} of both"] = _dot(head, head, a, b)
    columns[f"{GRAMS}: last {MIDDLE} of both"] = _dot(tail, tail, a, b)
    return columns


def _dot(left: csr_matrix, right: csr_matrix, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the dot products of A's row in ``left`` and B's row in ``right``, ``float32 [pairs]``."""
    return _by_parts(lambda rows: np.asarray(left[a[rows]].multiply(right[b[rows]]).sum(axis=1)).ravel(), len(a))


def _rarity(texts: _Texts, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns how rare the n-grams are that A and B share, each ``float64 [pairs]``."""
    rarity, counts = texts.frequencies.rarity(LONG_GRAMS), texts.frequencies.counts[LONG_GRAMS]
    present = texts.terms[LONG_GRAMS].counts()
    present.data[:] = 1

    def compute(rows: slice) -> np.ndarray:
        shared = csr_matrix(present[a[rows]].multiply(present[b[rows]]))
        pages = counts[shared.indices]
        weights = csr_matrix((rarity[shared.indices], shared.indices, shared.indptr), shared.shape)
        rare = [
            _row_sums(csr_matrix(((pages > 1) & (pages <= most), shared.indices, shared.indptr), shared.shape))
            for most in RARE
        ]
        return np.column_stack([_largest_mean(weights, RAREST), *np.log1p([_row_sums(weights), *rare])])

    names = [f"rarity of the {RAREST} rarest shared", "rarity of all shared", *(f"shared by {n} pages" for n in RARE)]
    return dict(zip(names, _by_parts(compute, len(a)).reshape(-1, len(names)).T, strict=True))


def _row_sums(matrix: csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()


def _largest_mean(matrix: csr_matrix, count: int) -> np.ndarray:
    """Returns the mean of the ``count`` largest values of each row, where missing values are 0, ``float64 [rows]``."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    rank = np.arange(len(rows)) - matrix.indptr[rows]
    values = np.where(rank < count, matrix.data[order], 0.0)
    return np.bincount(rows, values, minlength=matrix.shape[0]) / count


def _style(points: CodePoints, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns how similar the styles of both texts are, and how long they are, each ``[pairs]``."""
    lengths = np.maximum(points.lengths, 1)
    scripts = scripts_of(points)
    # Share of the characters of each text that belong to each style.
    shares = {name: _occurrences(points, patterns) / lengths for name, patterns in STYLES.items()}
    for name, members in SCRIPTS.items():
        shares[f"{name} characters"] = _per_text(points, np.isin(scripts, members)) / lengths
    # Difference and geometric mean of the shares in A and in B.
    columns = {}
    for name, share in shares.items():
        columns[f"{name}: difference"] = np.abs(share[a] - share[b])
        columns[f"{name}: in both"] = np.sqrt(share[a] * share[b])
    # Lengths, and whether A ends with the end of a sentence.
    for name, side in (("A", a), ("B", b)):
        columns[f"length of {name}"] = points.lengths[side]
        columns[f"logarithm of the length of {name}"] = np.log1p(points.lengths[side])
    last = np.isin(points.points, [ord(mark) for mark in SENTENCE_ENDS]) & (
        points.positions == lengths[points.texts] - 1
    )
    columns["A ends a sentence"] = _per_text(points, last)[a]
    return columns


def _occurrences(points: CodePoints, patterns: Sequence[str]) -> np.ndarray:
    """Returns how often any of the patterns occurs in each text, ``float64 [texts]``."""
    total = np.zeros(len(points.lengths))
    for pattern in patterns:
        count = max(0, len(points.points) - len(pattern) + 1)
        found = points.texts[:count] == points.texts[len(points.points) - count :]
        for offset, character in enumerate(pattern):
            found = found & (points.points[offset : offset + count] == ord(character))
        total += np.bincount(points.texts[:count][found], minlength=len(total))
    return total


def _per_text(points: CodePoints, members: np.ndarray) -> np.ndarray:
    """Counts the characters that are ``members`` (``bool [characters]``) in each text, ``float64 [texts]``."""
    return np.bincount(points.texts[members], minlength=len(points.lengths)).astype(np.float64)


def _by_parts(compute: Callable[[slice], np.ndarray], count: int) -> np.ndarray:
    """Computes an array over ``count`` pairs in blocks, to limit memory."""
    parts = [compute(slice(start, start + PAIRS_AT_ONCE)) for start in range(0, count, PAIRS_AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0)

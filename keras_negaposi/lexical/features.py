"""Features of a pair of texts that need no neural network, the strongest first.

They measure what A and B share (TF-IDF cosines of n-grams and words, also between the end of A and the start of B; the
rarity of the shared n-grams), how similar their styles are, how long they are and, if the pages of a corpus are given,
how the pair compares with other pages (`neighbours`). They are computed without labels.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.lexical.code_points import CodePoints, code_points
from keras_negaposi.lexical.neighbours import NEIGHBOUR_FEATURES, Neighbours, largest, neighbour_columns, take
from keras_negaposi.lexical.ngrams import Terms
from keras_negaposi.lexical.vocabulary import GRAMS, HIRAGANA, KANJI, KATAKANA, KINDS, PageFrequencies, scripts_of

LONG_GRAMS = "2-4-grams"
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


class Side(NamedTuple):
    """What is compared of a text: its terms of a kind, or only those in its first or last characters."""

    kind: str
    head: int | None = None
    tail: int | None = None


WHOLE, HEAD, TAIL = Side(GRAMS), Side(GRAMS, head=MIDDLE), Side(GRAMS, tail=MIDDLE)
COSINES: dict[str, tuple[Side, Side]] = {
    **{f"{kind}: A, B": (Side(kind), Side(kind)) for kind in KINDS},
    **{f"{GRAMS}: last {n} of A, first {n} of B": (Side(GRAMS, tail=n), Side(GRAMS, head=n)) for n in ENDS},
    f"{GRAMS}: last {MIDDLE} of A, B": (TAIL, WHOLE),
    f"{GRAMS}: A, first {MIDDLE} of B": (WHOLE, HEAD),
    f"{GRAMS}: first {MIDDLE} of both": (HEAD, HEAD),
    f"{GRAMS}: last {MIDDLE} of both": (TAIL, TAIL),
}
"""Feature -> the sides of A and B whose TF-IDF vectors it compares."""


@dataclasses.dataclass(frozen=True)
class PreparedTexts:
    """Different texts, with their terms and TF-IDF vectors, which are computed once."""

    points: CodePoints
    frequencies: PageFrequencies
    _vectors: dict[Side, csr_matrix] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def terms(self) -> dict[str, Terms]:
        """Returns the terms by kind."""
        return {kind: terms(self.points) for kind, terms in KINDS.items()}

    def vectors(self, side: Side) -> csr_matrix:
        """Returns the TF-IDF vectors of a side of each text, ``float32 [texts, BUCKETS]``."""
        if side not in self._vectors:
            terms = self.terms[side.kind]
            terms = terms.head(side.head) if side.head else terms.tail(side.tail) if side.tail else terms
            self._vectors[side] = self.frequencies.tfidf(side.kind, terms)
        return self._vectors[side]


def lexical_features(
    frequencies: PageFrequencies,
    texts: Sequence[str],
    a: np.ndarray,
    b: np.ndarray,
    neighbours: Neighbours | None = None,
) -> tuple[list[str], np.ndarray]:
    """Computes the features of pairs.

    Args:
        frequencies: page frequencies of the corpus.
        texts: each text once.
        a: index of the text that is A, ``int [pairs]``.
        b: index of the text that is B, ``int [pairs]``.
        neighbours: pages of the corpus; ``None`` to leave out the features that compare a pair with them.

    Returns:
        The names of the features, and ``float32 [pairs, features]``.
    """
    prepared = PreparedTexts(code_points(texts), frequencies)
    columns = {**_cosines(prepared, a, b), **_rarity(prepared, a, b), **style_columns(Style.of(prepared.points), a, b)}
    names, values = list(columns), np.column_stack([*columns.values()]).astype(np.float32)
    if neighbours is None:
        return names, values
    near = neighbours.near(lambda kind: prepared.vectors(Side(kind)))
    compared = _by_parts(lambda rows: neighbour_columns(take(near, a[rows]), take(near, b[rows])), len(a))
    return [*names, *NEIGHBOUR_FEATURES], np.hstack([values, compared.reshape(-1, len(NEIGHBOUR_FEATURES))])


@functools.cache
def feature_names(with_neighbours: bool = False) -> list[str]:
    """Returns the names of the features, in their order."""
    names, _ = lexical_features(PageFrequencies.of([""]), [""], np.zeros(1, np.int64), np.zeros(1, np.int64))
    return [*names, *NEIGHBOUR_FEATURES] if with_neighbours else names


def _cosines(texts: PreparedTexts, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the cosines of A and B, whole and in part, each ``float32 [pairs]``."""
    return {name: _dot(texts.vectors(of_a), texts.vectors(of_b), a, b) for name, (of_a, of_b) in COSINES.items()}


def _dot(left: csr_matrix, right: csr_matrix, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the dot products of A's row in ``left`` and B's row in ``right``, ``float32 [pairs]``."""
    return _by_parts(lambda rows: np.asarray(left[a[rows]].multiply(right[b[rows]]).sum(axis=1)).ravel(), len(a))


def _rarity(texts: PreparedTexts, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns how rare the n-grams are that A and B share, each ``float64 [pairs]``."""
    present = texts.terms[LONG_GRAMS].counts()

    def compute(rows: slice) -> np.ndarray:
        shared = csr_matrix(present[a[rows]].multiply(present[b[rows]]))
        return rarity_of_shared(texts.frequencies, shared)

    return dict(zip(RARITIES, _by_parts(compute, len(a)).reshape(-1, len(RARITIES)).T, strict=True))


RARITIES = (
    f"rarity of the {RAREST} rarest shared",
    "rarity of all shared",
    *(f"shared by {most} pages" for most in RARE),
)


def rarity_of_shared(frequencies: PageFrequencies, shared: csr_matrix) -> np.ndarray:
    """Returns the features `RARITIES`, ``float64 [pairs, features]``.

    Args:
        frequencies: page frequencies of the corpus.
        shared: the n-grams that both texts of each pair have, ``[pairs, BUCKETS]``; its values do not count.
    """
    pages, rarity = frequencies.counts[LONG_GRAMS][shared.indices], frequencies.rarity(LONG_GRAMS, shared.indices)
    weights = csr_matrix((rarity, shared.indices, shared.indptr), shared.shape)
    rare = [
        _row_sums(csr_matrix(((pages > 1) & (pages <= most), shared.indices, shared.indptr), shared.shape))
        for most in RARE
    ]
    return np.column_stack([_largest_mean(weights, RAREST), *np.log1p([_row_sums(weights), *rare])])


def _row_sums(matrix: csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()


def _largest_mean(matrix: csr_matrix, count: int) -> np.ndarray:
    """Returns the mean of the ``count`` largest values of each row, where missing values are 0, ``float64 [rows]``."""
    return largest(matrix, count).astype(np.float64).sum(axis=1) / count


@dataclasses.dataclass(frozen=True)
class Style:
    """The styles of several texts.

    Attributes:
        shares: by name, the share of each text's characters that belong to a style, ``float64 [texts]``.
        lengths: in characters, ``int64 [texts]``.
        ends: 1 if a text ends with the end of a sentence, ``float64 [texts]``.
    """

    shares: dict[str, np.ndarray]
    lengths: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, points: CodePoints) -> Style:
        """Measures the styles of texts."""
        lengths = np.maximum(points.lengths, 1)
        scripts = scripts_of(points)
        shares = {name: _occurrences(points, patterns) / lengths for name, patterns in STYLES.items()}
        for name, members in SCRIPTS.items():
            shares[f"{name} characters"] = _per_text(points, np.isin(scripts, members)) / lengths
        last = np.isin(points.points, [ord(mark) for mark in SENTENCE_ENDS]) & (
            points.positions == lengths[points.texts] - 1
        )
        return cls(shares, points.lengths, _per_text(points, last))


def style_columns(style: Style, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Returns how similar the styles of both texts are, and how long they are, each ``[pairs]``."""
    # Difference and geometric mean of the shares in A and in B.
    columns = {}
    for name, share in style.shares.items():
        columns[f"{name}: difference"] = np.abs(share[a] - share[b])
        columns[f"{name}: in both"] = np.sqrt(share[a] * share[b])
    # Lengths, and whether A ends with the end of a sentence.
    for name, side in (("A", a), ("B", b)):
        columns[f"length of {name}"] = style.lengths[side]
        columns[f"logarithm of the length of {name}"] = np.log1p(style.lengths[side])
    columns["A ends a sentence"] = style.ends[a]
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

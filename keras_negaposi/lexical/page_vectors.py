"""TF-IDF vectors of a corpus's pages, and what a text has to do with the pages: how near they are."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, vstack

from keras_negaposi.lexical.ngrams import BUCKETS

NEAREST = 100
"""A page counts as close to a text if it is among as many nearest pages."""
SAME = 1e-4
"""A page is the text itself if the squared distance of their vectors is smaller."""
TEXTS_AT_ONCE = 512
ARRAYS = ("near_pages", "near_buckets", "near_counts", "near_numbers", "near_weights")
"""Names of the arrays that hold `PageVectors`."""


class NearOfOne(NamedTuple):
    """What a text has to do with the pages, as plain arrays: SciPy takes long to make thousands of small matrices.

    Attributes:
        terms: buckets in `Near.vectors`, ``int32 [terms]``.
        weights: of these, ``float32 [terms]``.
        least: see `Near`.
        pages: with ``excess``, ``int32 [nearer pages]``.
        excess: of these, ``float32 [nearer pages]``.
        same: pages that are the text itself, ``int32 [same pages]``.
    """

    terms: np.ndarray
    weights: np.ndarray
    least: float
    pages: np.ndarray
    excess: np.ndarray
    same: np.ndarray


@dataclasses.dataclass(frozen=True)
class Near:
    """What several texts have to do with the pages of a corpus, by terms of one kind.

    Attributes:
        vectors: TF-IDF vectors of the terms that few pages have, ``float32 [texts, BUCKETS]``.
        least: cosine of each text with its `NEAREST`-th nearest page, ``float32 [texts]``; 0 if there are fewer.
        excess: by how much the cosines of nearer pages exceed ``least``, ``float32 [texts, pages]``.
        same: 1 for pages that are the text itself, ``float32 [texts, pages]``.
    """

    vectors: csr_matrix
    least: np.ndarray
    excess: csr_matrix
    same: csr_matrix

    def take(self, rows: Sequence[int] | np.ndarray) -> Near:
        """Returns the texts of some rows."""
        return Near(self.vectors[rows], self.least[rows], self.excess[rows], self.same[rows])

    def rows(self) -> list[NearOfOne]:
        """Returns each text by itself."""
        vectors, excess, same = (_rows(matrix) for matrix in (self.vectors, self.excess, self.same))
        ones = zip(vectors, self.least.tolist(), excess, same, strict=True)
        return [NearOfOne(*vector, least, *nearer, itself[0]) for vector, least, nearer, itself in ones]

    @classmethod
    def of_rows(cls, rows: Sequence[NearOfOne], pages: int) -> Near:
        """Joins texts, at least one; ``pages`` is the number of pages in the corpus."""
        same = [row.same for row in rows]
        return cls(
            _joined([row.terms for row in rows], [row.weights for row in rows], BUCKETS),
            np.array([row.least for row in rows], np.float32),
            _joined([row.pages for row in rows], [row.excess for row in rows], pages),
            _joined(same, [np.ones(len(some), np.float32) for some in same], pages),
        )

    @classmethod
    def stack(cls, parts: Sequence[Near]) -> Near:
        """Joins several, at least one."""
        vectors, least, excess, same = zip(*((p.vectors, p.least, p.excess, p.same) for p in parts), strict=True)
        return cls(stacked(vectors), np.concatenate(least), stacked(excess), stacked(same))


@dataclasses.dataclass(frozen=True)
class PageVectors:
    """TF-IDF vectors of pages.

    Attributes:
        postings: weights of the terms that few pages have, one column per page, ``float32 [BUCKETS, pages]``; float16
            holds them exactly.
    """

    postings: csr_matrix

    @classmethod
    def of(cls, vectors: csr_matrix, most: int) -> PageVectors:
        """Takes the vectors of different texts, ``float32 [pages, BUCKETS]``, without terms of more than ``most``."""
        postings = vectors.T.tocsr()
        counts = np.diff(postings.indptr)
        kept = np.repeat(counts <= most, counts)
        weights = postings.data[kept].astype(np.float16).astype(np.float32)
        starts = np.concatenate([[0], np.cumsum(np.where(counts <= most, counts, 0))])
        return cls(csr_matrix((weights, postings.indices[kept], starts), postings.shape))

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what `from_arrays` takes, by the names `ARRAYS`."""
        counts = np.diff(self.postings.indptr)
        buckets = np.flatnonzero(counts)
        values = (
            np.array(self.postings.shape[1]),
            buckets.astype(np.int32),
            counts[buckets].astype(np.uint16),
            self.postings.indices.astype(np.uint16),
            self.postings.data.astype(np.float16),
        )
        return dict(zip(ARRAYS, values, strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], most: int) -> PageVectors:
        """Makes an object of arrays that `arrays` returned.

        Raises:
            ValueError: they do not belong together.
            KeyError: one is missing.
        """
        number, buckets, counts, pages, weights = (arrays[name] for name in ARRAYS)
        lengths = np.zeros(BUCKETS, np.int64)
        lengths[buckets] = counts
        pages = pages.astype(np.int32)
        fits = len(pages) == len(weights) == lengths.sum() and pages.max(initial=-1) < int(number)
        if not fits or not np.isfinite(weights).all() or lengths.max() > most:
            raise ValueError("the pages' terms do not fit together")
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return cls(csr_matrix((weights.astype(np.float32), pages, starts), (BUCKETS, int(number))))

    @functools.cached_property
    def squares(self) -> np.ndarray:
        """Returns the squared length of each page's vector, ``float32 [pages]``."""
        squares = np.bincount(self.postings.indices, self.postings.data**2, self.postings.shape[1])
        return squares.astype(np.float32)

    @functools.cached_property
    def _is_kept(self) -> np.ndarray:
        """Whether the pages' vectors contain each term, ``bool [BUCKETS]``."""
        return np.diff(self.postings.indptr) > 0

    def near(self, vectors: csr_matrix) -> Near:
        """Finds the pages close to texts with these TF-IDF vectors, ``float32 [texts, BUCKETS]``."""
        vectors = _where(vectors, self._is_kept[vectors.indices])
        parts = [
            self._near(vectors[start : start + TEXTS_AT_ONCE]) for start in range(0, vectors.shape[0], TEXTS_AT_ONCE)
        ]
        return Near.stack(parts or [self._near(vectors)])

    def _near(self, vectors: csr_matrix) -> Near:
        cosines = csr_matrix(vectors @ self.postings)
        rows = np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
        squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).reshape(-1)
        same = squares[rows] + self.squares[cosines.indices] - 2 * cosines.data < SAME
        others, itself = _where(cosines, ~same), _where(cosines, same)
        itself.data[:] = 1
        values = np.split(others.data, others.indptr[1:-1]) if others.shape[0] else []
        least = np.array([_least(cosines) for cosines in values], np.float32)
        others.data -= np.repeat(least, np.diff(others.indptr))
        return Near(vectors, least, _where(others, others.data > 0), itself)


def _least(cosines: np.ndarray) -> float:
    """Returns the `NEAREST`-th largest cosine; 0 if there are fewer."""
    place = len(cosines) - NEAREST
    return float(np.partition(cosines, place)[place]) if place >= 0 else 0.0


def _where(matrix: csr_matrix, kept: np.ndarray) -> csr_matrix:
    """Returns the matrix with some of its stored values, ``bool [values]``."""
    starts = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return csr_matrix((matrix.data[kept], matrix.indices[kept], starts), matrix.shape)


def _rows(matrix: csr_matrix) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the columns and values of each row; copies, because a view would keep the whole matrix in memory."""
    ends = matrix.indptr.tolist()
    return [
        (matrix.indices[start:end].copy(), matrix.data[start:end].copy())
        for start, end in zip(ends, ends[1:], strict=False)
    ]


def _joined(columns: Sequence[np.ndarray], values: Sequence[np.ndarray], width: int) -> csr_matrix:
    """Returns the matrix of these rows."""
    starts = np.cumsum([0, *map(len, columns)])
    return csr_matrix((np.concatenate(values), np.concatenate(columns), starts), (len(columns), width))


def stacked(parts: Sequence[csr_matrix]) -> csr_matrix:
    """Returns the rows of matrices, at least one, one after the other."""
    return parts[0] if len(parts) == 1 else csr_matrix(vstack(parts, format="csr"))

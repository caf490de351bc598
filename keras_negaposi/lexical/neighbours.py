"""Compares a pair of texts with the other pages of the corpus.

Two pages may share many words because all pages on their subject do. What tells more is whether A and B are closer to
each other than to other pages, and whether there are pages that are close to both, as the other pages of a document
are. Pages are compared by n-grams and by words, in each case by those that few pages have: this costs little, and tells
as much as all of them would. No labels are involved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.data.reference_pages import MOST_PAGES, evenly_spaced
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.ngrams import BUCKETS
from keras_negaposi.lexical.page_vectors import ARRAYS, Near, NearOfOne, PageVectors, stacked
from keras_negaposi.lexical.vocabulary import GRAMS, KINDS, PAGES_AT_ONCE, WORDS, PageFrequencies

SHARED_BY = {GRAMS: 100, WORDS: 1000}
"""By kind of term: terms that more pages have are left out."""
COUNTED = 10
"""Number of the closest pages that the features describe."""
ROWS_AT_ONCE = 4096
SMALL = {"cosine": 0.02, "page": 0.01, "pages": 0.003}
"""Added to values before taking logarithms."""

_COLUMNS = (
    "A, B",
    *(f"{pages} of {side}" for side in "AB" for pages in ("nearest page", f"{COUNTED} nearest pages")),
    *(f"A, B against {pages} of {side}" for side in "AB" for pages in ("nearest page", f"{COUNTED} nearest pages")),
    *(f"{pages} close to both" for pages in ("page", "3 pages", f"{COUNTED} pages", "all pages")),
    *(f"page close to both against nearest page of {side}" for side in "AB"),
    *(f"logarithm: {pages} close to both" for pages in ("page", f"{COUNTED} pages")),
)
NEIGHBOUR_FEATURES = (*(f"rare {kind}: {name}" for kind in SHARED_BY for name in _COLUMNS), "A and B are pages")
"""The last one is 1 if A and B are pages of the corpus. Of other texts, the pages of the same documents may be missing,
so that the other features do not mean the same."""


NearByKind = tuple[Near, ...]
"""One for each kind in `SHARED_BY`."""


def take(near: NearByKind, rows: Sequence[int] | np.ndarray) -> NearByKind:
    """Returns the texts of some rows."""
    return tuple(of_kind.take(rows) for of_kind in near)


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The pages of a corpus, with which pairs are compared.

    Attributes:
        by_kind: the pages' vectors, for each kind in `SHARED_BY`.
    """

    by_kind: dict[str, PageVectors]

    @classmethod
    def of(cls, frequencies: PageFrequencies, texts: Iterable[str]) -> Neighbours:
        """Computes the vectors of a corpus's texts, each once."""
        distinct = evenly_spaced(list(dict.fromkeys(texts)), MOST_PAGES)
        rows = {kind: [csr_matrix((0, BUCKETS), dtype=np.float32)] for kind in SHARED_BY}
        for start in range(0, len(distinct), PAGES_AT_ONCE):
            points = code_points(distinct[start : start + PAGES_AT_ONCE])
            for kind, of_kind in rows.items():
                of_kind.append(frequencies.tfidf(kind, KINDS[kind](points)))
        return cls({kind: PageVectors.of(stacked(rows[kind]), most) for kind, most in SHARED_BY.items()})

    def near(self, vectors: Callable[[str], csr_matrix]) -> NearByKind:
        """Finds the pages close to texts.

        Args:
            vectors: returns the texts' TF-IDF vectors of terms of a kind, ``float32 [texts, BUCKETS]``.
        """
        return tuple(pages.near(vectors(kind)) for kind, pages in self.by_kind.items())

    def near_rows(self, vectors: Callable[[str], csr_matrix]) -> list[tuple[NearOfOne, ...]]:
        """Returns for each text what `near` says, by kind."""
        return list(zip(*(of_kind.rows() for of_kind in self.near(vectors)), strict=True))

    def of_rows(self, rows: Sequence[tuple[NearOfOne, ...]]) -> NearByKind:
        """Joins texts of `near_rows`, at least one."""
        by_kind = zip(zip(*rows, strict=True), self.by_kind.values(), strict=True)
        return tuple(Near.of_rows(of_kind, pages.postings.shape[1]) for of_kind, pages in by_kind)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what `from_arrays` takes, by name."""
        return {
            f"{name}_{number}": array
            for number, pages in enumerate(self.by_kind.values())
            for name, array in pages.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Neighbours:
        """Makes an object of arrays that `arrays` returned, and of any others.

        Raises:
            ValueError: they do not belong together.
            KeyError: one is missing.
        """
        return cls(
            {
                kind: PageVectors.from_arrays({name: arrays[f"{name}_{number}"] for name in ARRAYS}, most)
                for number, (kind, most) in enumerate(SHARED_BY.items())
            }
        )


def neighbour_columns(near_a: NearByKind, near_b: NearByKind) -> np.ndarray:
    """Returns the features `NEIGHBOUR_FEATURES` of pairs, ``float32 [pairs, features]``.

    Args:
        near_a: of the text A of each pair.
        near_b: of the text B of each pair.
    """
    are_pages = [near[0].same.getnnz(axis=1) > 0 for near in (near_a, near_b)]
    columns = [column for a, b in zip(near_a, near_b, strict=True) for column in _columns(a, b)]
    return np.column_stack([*columns, are_pages[0] & are_pages[1]]).astype(np.float32)


def _columns(a: Near, b: Near) -> list[np.ndarray]:
    """Returns the features by terms of one kind, in the order of `_COLUMNS`."""
    shared = np.asarray(a.vectors.multiply(b.vectors).sum(axis=1)).reshape(-1)
    of_a, of_b = _without(a.excess, b.same), _without(b.excess, a.same)
    nearest_a = largest(of_a, COUNTED) + a.least[:, np.newaxis]
    nearest_b = largest(of_b, COUNTED) + b.least[:, np.newaxis]
    both = largest(csr_matrix(of_a.minimum(of_b)), COUNTED)
    together = np.asarray(of_a.multiply(of_b).sum(axis=1)).reshape(-1)
    nearest = [nearest_a[:, 0], nearest_a.mean(axis=1), nearest_b[:, 0], nearest_b.mean(axis=1)]
    first, mean = both[:, 0], both.mean(axis=1)

    def against(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.log((one + SMALL["cosine"]) / (other + SMALL["cosine"]))

    return [
        *(shared, *nearest),
        *(against(shared, other) for other in nearest),
        *(first, both[:, :3].mean(axis=1), mean, np.sqrt(together)),
        *(against(first, nearest[0]), against(first, nearest[2])),
        *(np.log(first + SMALL["page"]), np.log(mean + SMALL["pages"])),
    ]


def largest(matrix: csr_matrix, count: int) -> np.ndarray:
    """Returns the largest values of each row in descending order, padded with 0, ``float [rows, count]``.

    Args:
        matrix: without negative values.
        count: values per row.
    """
    blocks = [
        _largest(matrix[start : start + ROWS_AT_ONCE], count) for start in range(0, matrix.shape[0], ROWS_AT_ONCE)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, count), matrix.dtype)


def _largest(matrix: csr_matrix, count: int) -> np.ndarray:
    lengths = np.diff(matrix.indptr)
    width = max(count, lengths.max())
    padded = np.zeros((len(lengths), width), matrix.dtype)
    padded[np.arange(width) < lengths[:, np.newaxis]] = matrix.data
    best = np.partition(padded, width - count, axis=1)[:, width - count :]
    return np.sort(best, axis=1)[:, ::-1]


def _without(matrix: csr_matrix, removed: csr_matrix) -> csr_matrix:
    """Returns the matrix with zeros where ``removed`` has ones."""
    return csr_matrix(matrix - matrix.multiply(removed))

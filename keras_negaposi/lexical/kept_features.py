"""Lexical features of queries and many pages; what was computed of a page is kept for the next queries.

`features.lexical_features` counts the terms of all texts each time. Here the pages' TF-IDF vectors are kept. A query's
vector is written into a dense array, so that its cosines with pages need one look-up per term of each page.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.features import (
    COSINES,
    LONG_GRAMS,
    PreparedTexts,
    Side,
    Style,
    feature_names,
    rarity_of_shared,
    style_columns,
)
from keras_negaposi.lexical.neighbours import Neighbours, neighbour_columns, take
from keras_negaposi.lexical.ngrams import BUCKETS
from keras_negaposi.lexical.page_vectors import NearOfOne
from keras_negaposi.lexical.vocabulary import PageFrequencies

MOST_PAGES = 40_000
"""Pages that are kept; a page of 160 characters takes about 15 kB."""
PAGES_AT_ONCE = 1024
PAGES_PER_STEP = 64
"""Pages that are computed ahead before a query may come first; 64 take about 40 ms."""
SIDES_OF_A, SIDES_OF_B = (tuple(dict.fromkeys(sides)) for sides in zip(*COSINES.values(), strict=True))
LONG = Side(LONG_GRAMS)


@dataclasses.dataclass(frozen=True)
class _Page:
    """What is kept of a page: by side its buckets, ``int32 [terms]``, and their weights, ``float32 [terms]``."""

    vectors: dict[Side, tuple[np.ndarray, np.ndarray]]
    shares: np.ndarray
    length: int
    near: tuple[NearOfOne, ...]


class KeptFeatures:
    """Computes the features of `lexical_features` for pairs of few queries and many pages. Threads may share it.

    Args:
        frequencies: page frequencies of the corpus.
        neighbours: pages of the corpus; ``None`` as in `lexical_features`.
    """

    def __init__(self, frequencies: PageFrequencies, neighbours: Neighbours | None = None) -> None:
        self._frequencies, self._neighbours = frequencies, neighbours
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._dense = np.zeros(BUCKETS, np.float32)
        self._lock = threading.Lock()

    def of(self, queries: Sequence[str], pages: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Returns the features of each query A with its pages B, ``float32 [pages, features]``.

        Args:
            queries: texts.
            pages: texts by query.
        """
        with self._lock:
            known = self._prepare(dict.fromkeys(text for texts in pages for text in texts))
            prepared = PreparedTexts(code_points(queries), self._frequencies)
            style = Style.of(prepared.points)
            near = _near(prepared, self._neighbours)
            return [
                self._of_query(prepared, style, near[row], row, [known[text] for text in texts])
                for row, texts in enumerate(pages)
            ]

    def preparing(self, pages: Iterable[str]) -> Iterator[int]:
        """Computes ahead what is kept of pages, as many as fit; yields how many are ready, after a few each time."""
        distinct = list(itertools.islice(dict.fromkeys(pages), MOST_PAGES))
        for start in range(0, len(distinct), PAGES_PER_STEP):
            some = distinct[start : start + PAGES_PER_STEP]
            with self._lock:
                self._prepare(dict.fromkeys(some))
            yield start + len(some)

    def _prepare(self, texts: dict[str, None]) -> dict[str, _Page]:
        """Returns the pages of texts; computes those that are not kept, and forgets those not used for longest."""
        missing = [text for text in texts if text not in self._pages]
        for start in range(0, len(missing), PAGES_AT_ONCE):
            some = missing[start : start + PAGES_AT_ONCE]
            self._pages.update(zip(some, _pages_of(some, self._frequencies, self._neighbours), strict=True))
        found = {text: self._pages[text] for text in texts}
        for text in texts:
            self._pages.move_to_end(text)
        while len(self._pages) > MOST_PAGES:
            self._pages.popitem(last=False)
        return found

    def _of_query(
        self, queries: PreparedTexts, style: Style, near: tuple[NearOfOne, ...], row: int, pages: Sequence[_Page]
    ) -> np.ndarray:
        """Returns the features of the query in a row with pages, ``float32 [pages, features]``."""
        if not pages:
            return np.zeros((0, len(feature_names(self._neighbours is not None))), np.float32)
        joined = {side: _joined([page.vectors[side] for page in pages]) for side in SIDES_OF_B}
        cosines, rarity = {}, np.zeros(0)
        for side in SIDES_OF_A:
            vector = queries.vectors(side)[row]
            self._dense[vector.indices] = vector.data
            for name, (of_a, of_b) in COSINES.items():
                if of_a == side:
                    buckets, weights, owners = joined[of_b]
                    cosines[name] = np.bincount(owners, self._dense[buckets] * weights, len(pages))
            if side == LONG:
                rarity = self._rarity(*joined[LONG], len(pages))
            self._dense[vector.indices] = 0
        styles = style_columns(
            _with_query(style, row, pages), np.zeros(len(pages), np.int64), 1 + np.arange(len(pages))
        )
        columns = [*(cosines[name] for name in COSINES), *rarity.T, *styles.values()]
        if self._neighbours:
            near_a = take(self._neighbours.of_rows([near]), np.zeros(len(pages), np.int64))
            columns.append(neighbour_columns(near_a, self._neighbours.of_rows([page.near for page in pages])))
        return np.column_stack(columns).astype(np.float32)

    def _rarity(self, buckets: np.ndarray, _: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
        """Returns how rare the n-grams are that the pages share with the query in ``_dense``."""
        shared = self._dense[buckets] > 0
        starts = np.concatenate([[0], np.cumsum(np.bincount(owners[shared], minlength=count))])
        found = csr_matrix((np.ones(starts[-1], np.float32), buckets[shared], starts), (count, BUCKETS))
        return rarity_of_shared(self._frequencies, found)


def _pages_of(texts: Sequence[str], frequencies: PageFrequencies, neighbours: Neighbours | None) -> list[_Page]:
    prepared = PreparedTexts(code_points(texts), frequencies)
    style = Style.of(prepared.points)
    shares = np.column_stack(list(style.shares.values()))
    matrices = {side: prepared.vectors(side) for side in SIDES_OF_B}
    near = _near(prepared, neighbours)
    return [
        _Page(
            {side: _row(matrix, row) for side, matrix in matrices.items()},
            shares[row],
            int(style.lengths[row]),
            near[row],
        )
        for row in range(len(texts))
    ]


def _near(texts: PreparedTexts, neighbours: Neighbours | None) -> list[tuple[NearOfOne, ...]]:
    """Returns what each text has to do with the pages; nothing if no pages are given."""
    if neighbours is None:
        return [()] * len(texts.points.lengths)
    return neighbours.near_rows(lambda kind: texts.vectors(Side(kind)))


def _row(matrix: csr_matrix, row: int) -> tuple[np.ndarray, np.ndarray]:
    place = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[place].astype(np.int32), matrix.data[place].copy()  # a view would keep the whole matrix


def _joined(vectors: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the buckets and weights of several pages, one after the other, and the number of each one's page."""
    owners = np.repeat(np.arange(len(vectors)), [len(buckets) for buckets, _ in vectors])
    buckets, weights = (np.concatenate(column) for column in zip(*vectors, strict=True))
    return buckets, weights, owners


def _with_query(style: Style, row: int, pages: Sequence[_Page]) -> Style:
    """Returns the styles of a query, in row 0, and of pages."""
    shares = np.stack([page.shares for page in pages], axis=1)
    return Style(
        {name: np.append(share[row], shares[n]) for n, (name, share) in enumerate(style.shares.items())},
        np.append(style.lengths[row], [page.length for page in pages]),
        np.append(style.ends[row], np.zeros(len(pages))),
    )

"""How densely the pages of an index without a run surround a text; `serving.density` does the same for a run."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from keras_negaposi.retrieval.vectors import Vectors

NEAREST = 3
"""Number of the nearest pages that count."""
MOST_PAGES = 50_000
"""Of a larger index, as many pages are used, evenly spaced."""
QUERIES_AT_ONCE = 256


class PageDensity:
    """The pages of an index, with which texts are compared.

    Args:
        vectors: of the pages, of length 1.
    """

    def __init__(self, vectors: Vectors) -> None:
        rows = np.flatnonzero(vectors.used)
        self._rows = rows[:: max(1, -(-len(rows) // MOST_PAGES))]
        self._vectors = vectors

    @functools.cached_property
    def _pages(self) -> np.ndarray:
        """The pages' vectors, ``float32 [pages, dim]``; 77 MB for `MOST_PAGES` of 384 numbers."""
        return self._vectors.read(self._rows)

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the mean cosine of each text with its nearest pages but one, ``float32 [texts]``.

        The very nearest page does not count: for a page of the index, it is the page itself.

        Args:
            vectors: of the texts, of length 1, ``float32 [texts, dim]``.
        """
        densities = np.zeros(len(vectors), np.float32)
        pages = self._pages
        count = min(NEAREST + 1, len(pages))
        for start in range(0, len(vectors) if count > 1 else 0, QUERIES_AT_ONCE):
            cosines = vectors[start : start + QUERIES_AT_ONCE] @ pages.T
            nearest = -np.partition(-cosines, count - 1, axis=1)[:, :count]
            densities[start : start + QUERIES_AT_ONCE] = (nearest.sum(axis=1) - nearest.max(axis=1)) / (count - 1)
        return densities


def densities_of(vectors: Vectors, known: Mapping[str, float] | None = None) -> dict[str, float]:
    """Returns the density of every text of an index by key.

    Args:
        vectors: of the texts, of length 1.
        known: densities that stay as they are, although pages have changed since.
    """
    found = {key: known[key] for key in vectors if key in known} if known else {}
    new = [key for key in vectors if key not in found]
    rows = np.array([vectors.row(key) for key in new], np.int64)
    density = PageDensity(vectors)
    blocks = [density.of(block) for block in vectors.blocks(rows)]
    return found | dict(zip(new, np.concatenate([*blocks, np.zeros(0)]).tolist(), strict=True))

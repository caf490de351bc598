"""The density of pages around a text in an index without a run; `serving.density` computes it for a run."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from keras_negaposi.data.reference_pages import MOST_PAGES, densities_by, evenly_spaced
from keras_negaposi.index_files.vectors import Vectors

QUERIES_AT_ONCE = 256


class PageDensity:
    """The pages of an index, with which texts are compared.

    Args:
        vectors: of the pages, of length 1.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._rows = np.array(evenly_spaced(np.flatnonzero(vectors.used).tolist(), MOST_PAGES), np.int64)
        self._vectors = vectors

    @functools.cached_property
    def _pages(self) -> np.ndarray:
        """The pages' vectors, ``float32 [pages, dim]``; 77 MB for `MOST_PAGES` of 384 numbers."""
        return self._vectors.read(self._rows)

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the density of each text, ``float32 [texts]``; 0 if there is but one page.

        Args:
            vectors: of the texts, of length 1, ``float32 [texts, dim]``.
        """
        densities = np.zeros(len(vectors), np.float32)
        for start in range(0, len(vectors) if len(self._pages) > 1 else 0, QUERIES_AT_ONCE):
            some = slice(start, start + QUERIES_AT_ONCE)
            densities[some] = densities_by(vectors[some] @ self._pages.T)
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

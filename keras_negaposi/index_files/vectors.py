"""The vectors of an index's texts, read from its memory-mapped segments when they are needed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from keras_negaposi.index_files.segment import Rows, Segment
from keras_negaposi.modeling.heads.tensor_names import DENSITY, VECTOR

BLOCK = 1 << 14
"""Vectors that are read at once; so many of 384 numbers take 25 MB in float32."""
_TINY = np.finfo(np.float32).tiny


class Vectors(Mapping[str, np.ndarray]):
    """The vectors of some texts by key, and by row.

    Rows are numbered through all segments in their order. The rows of other texts keep their numbers, but are not used.

    Args:
        segments: of the index, by name.
        keys: of the texts.
        centred: whether the mean of the vectors is subtracted from each, and the result has length 1 (see
            `frozen_scorer`). Otherwise vectors are given as they are stored.
        densities: of the texts by key (see `page_density`), where they are not stored with the vectors.

    Attributes:
        dim: numbers of a vector.
        used: which rows belong to the texts, ``bool [rows]``.
        segments: the rows of each segment by name.
        center: the mean that is subtracted, ``float32 [dim]``; ``None`` if nothing is.
    """

    def __init__(
        self,
        segments: Mapping[str, Segment],
        keys: Collection[str],
        centred: bool,
        densities: Mapping[str, float] | None = None,
    ) -> None:
        self._segments = list(segments.values())
        self._bounds = np.cumsum([0, *(len(segment.keys) for segment in self._segments)])
        ends = itertools.pairwise(self._bounds.tolist())
        self.segments = {name: range(*of_segment) for name, of_segment in zip(segments, ends, strict=True)}
        stored = itertools.chain.from_iterable(segment.keys for segment in self._segments)
        self._rows = {key: row for row, key in enumerate(stored) if key in keys}
        self.used = np.zeros(self._bounds[-1], bool)
        rows = np.fromiter(self._rows.values(), np.int64, len(self._rows))
        self.used[rows] = True
        self._layout = self._segments[0].layout() if self._segments else {VECTOR: ("float32", 0)}
        self.dim = self._layout[VECTOR][1]
        self._densities: np.ndarray | None = None
        if densities is not None:
            self._densities = np.zeros((self._bounds[-1], 1), np.float32)
            self._densities[rows, 0] = [densities[key] for key in self._rows]
        self.center: np.ndarray | None = None
        if centred:
            total = sum(block.sum(axis=0, dtype=np.float64) for block in self.blocks(np.flatnonzero(self.used)))
            self.center = (total / max(1, len(self))).astype(np.float32)

    @property
    def has_densities(self) -> bool:
        """Whether densities were given."""
        return self._densities is not None

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Returns the vectors of rows, ``[rows, dim]``: float32 if they are centred, otherwise as stored.

        Raises:
            InputError: a file is damaged; each is checked when it is first read.
        """
        found = self._stored((VECTOR,), rows)[VECTOR]
        return found if self.center is None else unit(found.astype(np.float32) - self.center)

    def tensors(self, rows: np.ndarray) -> Rows:
        """Returns all that is known of rows' texts, as `SideScorer.score` takes it, ``[rows, ...]`` each."""
        if self.center is None:
            return self._stored(tuple(self._layout), rows)
        densities = {} if self._densities is None else {DENSITY: self._densities[rows]}
        return {VECTOR: self.read(rows)} | densities

    def _stored(self, names: Collection[str], rows: np.ndarray) -> Rows:
        owners = np.searchsorted(self._bounds, rows, side="right") - 1
        found = {name: np.empty((len(rows), self._layout[name][1]), self._layout[name][0]) for name in names}
        for owner in np.unique(owners):
            segment, here = self._segments[owner], owners == owner
            tensors = segment.rows(0, len(segment.keys))
            for name, values in found.items():
                values[here] = tensors[name][rows[here] - self._bounds[owner]]
            segment.release()
        return found

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the vectors of rows, `BLOCK` at a time."""
        for start in range(0, len(rows), BLOCK):
            yield self.read(rows[start : start + BLOCK])

    def row(self, key: str) -> int:
        """Returns the row of a text."""
        return self._rows[key]

    def key(self, row: int) -> str:
        """Returns the key of a row's text."""
        owner = int(np.searchsorted(self._bounds, row, side="right")) - 1
        return self._segments[owner].keys[row - self._bounds[owner]]

    def __getitem__(self, key: str) -> np.ndarray:
        return self.read(np.array([self._rows[key]]))[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors of length 1, ``float32 [vectors, dim]``.

    Vectors stored in float16 need this too, because rounding has changed their lengths slightly.
    """
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)

"""Searches the vectors of a large index in shards, which are files of faiss.

A shard covers some segments of the index and never changes. Rows that no shard covers are compared exactly; found rows
that are no longer used are dropped.

Each shard is an inverted file with product quantization (IVF-PQ: Jégou et al. 2011; in registers: André et al. 2015). A
vector is assigned to the nearest of some centroids, and the difference is stored in a few bits. A search compares the
query with these codes in the lists of the nearest centroids, and then with the stored vectors of the best rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from keras_negaposi.index_files.checked_files import FIX, file_checksum, read_json
from keras_negaposi.index_files.nearest_neighbours import EXACT_BELOW, Exact, Hnsw, Near, VectorSearch, nearer
from keras_negaposi.index_files.segment import KEYS
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vectors import Vectors, unit

INDEX, COVERS = "index.faiss", "covers.json"
SHARE_PROBED = 1 / 8
"""Share of a shard's lists that a search looks into."""
LEAST_CANDIDATES = 200
"""Best rows by their codes, of all shards together, that are compared exactly."""


@dataclasses.dataclass(frozen=True)
class Covered:
    """A segment that a shard covers: its name, the checksum of its keys, and its number of rows."""

    segment: str
    keys: int
    rows: int

    @classmethod
    def of(cls, store: Store, name: str) -> Covered:
        """Describes a segment as it is now."""
        segment = store.segments[name]
        return cls(name, segment.sums()[KEYS], len(segment.keys))


class Shards:
    """Searches the shards, and compares what no shard covers.

    Args:
        store: the index.
        vectors: of its texts.
        faiss: of `import_faiss`.

    Raises:
        InputError: a file is damaged.
    """

    def __init__(self, store: Store, vectors: Vectors, faiss: ModuleType) -> None:
        self._vectors = vectors
        self._opened = []
        loose = vectors.used.copy()
        for name, covered in covered_segments(store).items():
            rows = _rows(store, vectors, covered)
            loose[rows[rows >= 0]] = False
            self._opened.append((_open(store.path / name / INDEX, store.neighbours[name], faiss), rows))
        self._loose = Exact(vectors, np.flatnonzero(loose))

    def nearest(self, queries: np.ndarray, count: int) -> list[Near]:
        """Returns up to ``count`` near rows for each query."""
        queries, candidates = unit(queries), max(LEAST_CANDIDATES, 2 * count)
        found: list[list[Near]] = [[] for _ in queries]
        for index, rows in self._opened:
            cosines, numbers = index.search(queries, candidates)
            for of_query, estimates, of_shard in zip(found, cosines, numbers, strict=True):
                at = np.where(of_shard < 0, -1, rows[of_shard])  # faiss fills up with -1.
                used = (at >= 0) & self._vectors.used[at]
                of_query.append((at[used], estimates[used]))
        nearest = []
        for query, estimates, loose in zip(queries, found, self._loose.nearest(queries, count), strict=True):
            best = np.unique(nearer(estimates, candidates)[0])
            cosines = unit(self._vectors.read(best)) @ query
            nearest.append(nearer([(best, cosines), loose], count))
        return nearest


def open_neighbours(store: Store, vectors: Vectors, approximate: bool | None) -> VectorSearch:
    """Opens what searches the vectors of an index.

    Args:
        store: the index.
        vectors: of its texts.
        approximate: see `search.Index`.

    Raises:
        InputError: a file is damaged, or ``approximate`` is not available.
    """
    faiss = import_faiss()
    if store.neighbours and faiss and approximate is not False:
        return Shards(store, vectors, faiss)
    if approximate:
        return Hnsw(vectors)
    if approximate is None and len(vectors) >= EXACT_BELOW:
        say(all_compared(len(vectors)))
    return Exact(vectors, np.flatnonzero(vectors.used))


def import_faiss() -> ModuleType | None:
    """Returns faiss; ``None`` if it is not installed."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def all_compared(count: int) -> str:
    """Returns the line that says that a search is slow, and how to make it fast."""
    return (
        f"all {count:,} vectors are compared with each query; to search faster, pip install 'keras_negaposi[ann]' and "
        "run keras_negaposi.index again"
    )


def covered_segments(store: Store) -> dict[str, list[Covered]]:
    """Returns the segments that each shard covers, by the shard's folder; they may have been replaced since.

    Raises:
        InputError: a file is missing or damaged.
    """
    return {
        name: read_json(list[Covered], store.path / name / COVERS, checksums.get(COVERS))
        for name, checksums in store.neighbours.items()
    }


def is_current(store: Store, covered: Covered) -> bool:
    """Returns whether a segment is still the one that a shard covers."""
    return covered.segment in store.segments and Covered.of(store, covered.segment) == covered


def _rows(store: Store, vectors: Vectors, segments: list[Covered]) -> np.ndarray:
    """Returns the row of `Vectors` of each vector of a shard, ``int64 [vectors]``; -1 where the segment is another."""
    return np.concatenate(
        [
            vectors.segments[covered.segment] if is_current(store, covered) else np.full(covered.rows, -1)
            for covered in segments
        ]
    )


def _open(file: Path, checksums: Mapping[str, int], faiss: ModuleType) -> Any:  # noqa: ANN401 - faiss has no types
    try:
        if file_checksum(file) != checksums.get(file.name):
            raise InputError(f"{file}: its checksum differs from the one in the manifest; {FIX}")
        index = faiss.read_index(str(file))
    except RuntimeError as error:
        raise InputError(f"{file}: not an index of faiss ({str(error):.80}); {FIX}") from None
    index.nprobe = max(1, round(index.nlist * SHARE_PROBED))
    return index

"""Builds the shards of a large index, so that its vectors can be searched without comparing all of them.

New segments are covered by new shards: nothing is built again when pages change, and a killed build continues with the
next shard. One shard at a time is in memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import write_json
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.index_files.nearest_neighbours import EXACT_BELOW
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vector_shards import (
    COVERS,
    INDEX,
    Covered,
    all_compared,
    covered_segments,
    import_faiss,
    is_current,
)
from keras_negaposi.index_files.vectors import Vectors, unit

MOST_ROWS = 1 << 20
"""Rows of a shard."""
MOST_LOOSE = 50_000
"""Rows that are compared exactly because no shard covers them; when there are more, a shard is built."""
LEAST_USED = 0.5
"""When a smaller share of a shard's rows is used, its segments are covered again."""
PER_CENTROID = 48
"""Training vectors per centroid; faiss warns below 39."""
ROUNDS = 6
"""Of k-means."""
NUMBERS_PER_CODE = 4
"""Numbers of a vector that share a code of 4 bits."""


def update_shards(store: Store, vectors: Vectors) -> None:
    """Covers the segments of an index by shards if it has many vectors; says how they are searched.

    Args:
        store: the index, which is locked and otherwise finished.
        vectors: of its texts.

    Raises:
        InputError: a file is damaged.
    """
    faiss = import_faiss()
    if len(vectors) < EXACT_BELOW:
        store.replace_neighbours(list(store.neighbours))
        return
    if faiss is None:
        say(all_compared(len(vectors)))
        return
    groups, replaced = _plan(store, vectors)
    if groups:
        _build(faiss, store, vectors, groups, replaced)
    else:
        store.replace_neighbours(replaced)
    shards = len(store.neighbours)
    say(f"nearest neighbours: approximate (IVF-PQ of faiss, {shards} shards), then exact among the best")


def _plan(store: Store, vectors: Vectors) -> tuple[list[list[str]], list[str]]:
    """Returns the segments of each shard to build, and the old shards that these replace."""
    used = {name: int(vectors.used[rows.start : rows.stop].sum()) for name, rows in vectors.segments.items()}
    current, kept = {}, {}
    for shard, segments in covered_segments(store).items():
        current[shard] = [covered.segment for covered in segments if is_current(store, covered)]
        rows = sum(used[name] for name in current[shard])
        if rows > LEAST_USED * sum(covered.rows for covered in segments):
            kept[shard] = rows
    replaced = [shard for shard in current if shard not in kept]
    covered = {name for shard in kept for name in current[shard]}
    loose = [name for name in used if name not in covered]
    size = sum(used[name] for name in loose)
    if size <= MOST_LOOSE:
        return [], replaced

    # A shard takes in smaller ones, so that many updates do not leave many shards.
    for shard, rows in sorted(kept.items(), key=lambda item: item[1]):
        if rows <= size <= MOST_ROWS - rows:
            loose, size, replaced = [*loose, *current[shard]], size + rows, [*replaced, shard]

    groups: list[list[str]] = []
    room = 0
    for name in dict.fromkeys(loose):
        room -= len(vectors.segments[name])
        if not groups or room < 0:
            groups.append([])
            room = MOST_ROWS - len(vectors.segments[name])
        groups[-1].append(name)
    return groups, replaced


def _build(
    faiss: ModuleType, store: Store, vectors: Vectors, groups: Sequence[Sequence[str]], replaced: Collection[str]
) -> None:
    """Builds a shard for each group of segments; the last one replaces old shards."""
    rows = [np.concatenate([vectors.segments[name] for name in group]) for group in groups]
    tick, done = Ticker("building the nearest-neighbour search", sum(map(len, rows))), 0
    empty = _trained(faiss, vectors, np.concatenate(rows), len(rows[0]))
    for group, of_group in zip(groups, rows, strict=True):
        index = faiss.clone_index(empty)
        for block in vectors.blocks(of_group):
            index.add(unit(block))
            tick(done + index.ntotal)
        done += len(of_group)

        def write(folder: str, index: Any = index, group: Sequence[str] = group) -> None:  # noqa: ANN401
            faiss.write_index(index, os.path.join(folder, INDEX))
            write_json(os.path.join(folder, COVERS), [vars(Covered.of(store, name)) for name in group])

        store.replace_neighbours(replaced if group is groups[-1] else [], write)


def _trained(faiss: ModuleType, vectors: Vectors, rows: np.ndarray, size: int) -> Any:  # noqa: ANN401
    """Returns an empty index for ``size`` vectors, whose centroids and codes are fitted to a sample of rows."""
    lists = 1 << round(math.log2(math.sqrt(size)))
    sample = np.sort(np.random.default_rng(0).permutation(rows)[: PER_CENTROID * lists])
    found = unit(vectors.read(sample))
    dim = found.shape[1]
    codes = next(count for count in range(max(1, dim // NUMBERS_PER_CODE), 0, -1) if dim % count == 0)
    index = faiss.index_factory(dim, f"IVF{lists},PQ{codes}x4fs", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = ROUNDS
    index.train(found)
    return index

"""Blocks of sparse rows become one matrix, or an inverted index, without being in memory twice.

Both functions empty the list that they get: a block is freed as soon as its values are copied.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def stack(blocks: list[csr_matrix]) -> csr_matrix:
    """Returns the rows of all blocks, at least one, as scipy's ``vstack`` does; empties the list."""
    columns, dtype = blocks[0].shape[1], blocks[0].dtype
    starts = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(np.diff(block.indptr) for block in blocks)]))
    index = np.int32 if starts[-1] <= np.iinfo(np.int32).max else np.int64
    values, numbers, done = np.empty(starts[-1], dtype), np.empty(starts[-1], index), 0
    while blocks:
        block = blocks.pop(0)
        here = slice(done, done + block.nnz)
        values[here], numbers[here], done = block.data, block.indices, here.stop
    return csr_matrix((values, numbers, starts.astype(index)), (len(starts) - 1, columns))


def invert(blocks: list[csr_matrix], dtype: type[np.floating]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns which rows of all blocks, at least one, have each column, in ascending order; empties the list.

    Args:
        blocks: rows one after the other.
        dtype: of the returned values.

    Returns:
        Where the rows of each column start, ``int64 [columns + 1]``; their numbers, ``int32 [values]``; their values,
        ``dtype [values]``.
    """
    # 1. Count the values of each column.
    starts = np.zeros(blocks[0].shape[1] + 1, np.int64)
    for block in blocks:
        np.add.at(starts[1:], block.indices, 1)
    np.cumsum(starts, out=starts)
    # 2. Put those of each block behind those of the blocks before. The time does not depend on the number of columns.
    rows, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], dtype)
    free, done = starts[:-1].copy(), 0
    while blocks:
        block = blocks.pop(0)
        order = np.argsort(block.indices, kind="stable")
        columns, first, counts = np.unique(block.indices[order], return_index=True, return_counts=True)
        places = np.arange(block.nnz) + np.repeat(free[columns] - first, counts)
        rows[places] = done + np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))[order]
        values[places] = block.data[order]
        free[columns] += counts
        done += block.shape[0]
    return starts, rows, values

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
    columns = blocks[0].shape[1]
    starts = np.zeros(columns + 1, np.int64)
    for block in blocks:
        starts[1:] += np.bincount(block.indices, minlength=columns)
    np.cumsum(starts, out=starts)
    rows, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], dtype)
    free, done = starts[:-1].copy(), 0
    while blocks:
        block = blocks.pop(0)
        by_column = block.tocsc()
        counts = np.diff(by_column.indptr)
        places = np.arange(block.nnz) + np.repeat(free - by_column.indptr[:-1], counts)
        rows[places], values[places] = by_column.indices + done, by_column.data
        free += counts
        done += block.shape[0]
    return starts, rows, values

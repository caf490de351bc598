"""Blocks of rows become the same matrix and inverted index as by scipy, and are freed one by one."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from keras_negaposi.data.sparse_blocks import invert, stack


def blocks(*sizes):
    rng = np.random.default_rng(0)
    dense = (rng.random((size, 50), np.float32) for size in sizes)
    return [csr_matrix(np.where(values < 0.1, values, 0)) for values in dense]


@pytest.mark.parametrize("sizes", [(7,), (7, 1, 0, 30), (0,), (0, 3)])
def test_they_are_those_of_scipy(sizes):
    wanted = vstack(blocks(*sizes), "csr")
    given = blocks(*sizes)
    found = stack(given)
    assert not given and found.shape == wanted.shape and found.dtype == wanted.dtype
    assert found.indices.dtype == found.indptr.dtype == np.int32
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))

    wanted, given = wanted.T.tocsr(), blocks(*sizes)
    starts, rows, values = invert(given, np.float16)
    assert not given and (starts.dtype, rows.dtype, values.dtype) == (np.int64, np.int32, np.float16)
    np.testing.assert_array_equal(starts, wanted.indptr)
    np.testing.assert_array_equal(rows, wanted.indices)
    np.testing.assert_array_equal(values, wanted.data.astype(np.float16))

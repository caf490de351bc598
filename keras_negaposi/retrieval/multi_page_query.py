"""Several pages as one query: suggestions follow the last page, and the pages before it are context.

What a page is about is often stated on the pages before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_negaposi.index_files.segment import Rows, is_by_token

_TINY = np.finfo(np.float32).tiny


def attend(pages: Sequence[Rows]) -> Rows:
    """Combines the encoded pages of a query, so that they can be used like one encoded page A.

    - A tensor with one row per token: the tokens of all pages, one page after the other. The head's own attention
      chooses among them.
    - A tensor with one vector per page: the last page's vector attends to the vectors of all pages, its own included.
      This is dot-product attention (Luong et al. 2015, arXiv 1508.04025) without learned parameters.

    Args:
        pages: of `CachedScorer.encode`, from the first page to the last, one row each: ``[1, dim]``, or
            ``[1, seq, dim]`` with a ``mask``.
    """
    if len(pages) == 1:
        return pages[0]
    return {name: _combine(name, [page[name] for page in pages]) for name in pages[0]}


def _combine(name: str, tensors: Sequence[np.ndarray]) -> np.ndarray:
    if is_by_token(name, tensors[0]):
        return np.concatenate(tensors, axis=1)
    return _attend_from_last(np.concatenate(tensors))


def _attend_from_last(vectors: np.ndarray) -> np.ndarray:
    """Returns the attention output of the last vector: ``[pages, dim]`` -> ``[1, dim]``.

    The weights are the softmax of the cosines between the last vector and each vector. A weighted mean of vectors is
    shorter than the vectors themselves; the result is therefore scaled to the weighted mean of their lengths.
    """
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)
    directions = vectors / lengths
    weights = np.exp(directions @ directions[-1])
    weights /= weights.sum()
    attended = weights @ vectors
    return (attended * (weights @ lengths / max(np.linalg.norm(attended), _TINY)))[np.newaxis]

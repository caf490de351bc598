"""Several pages as the query: the page to go on from attends to all that led to it, itself among them.

What a page is about is often said in the pages before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_negaposi.retrieval.segment import Rows, is_by_token


def attend(pages: Sequence[Rows]) -> Rows:
    """A's side of several pages, from the first to the last, as the side of one.

    Of a vector of A: self-attention of the last page's, with the softmax of the cosines as weights, at the pages' own
    length. Of A's tokens: those of all pages, for the head's own attention.

    Args:
        pages: of `CachedScorer.encode`, one row each: ``[1, dim]``, or ``[1, seq, dim]`` and a ``mask``.
    """
    if len(pages) == 1:
        return pages[0]
    return {name: _attend(name, [page[name] for page in pages]) for name in pages[0]}


def _attend(name: str, tensors: Sequence[np.ndarray]) -> np.ndarray:
    if is_by_token(name, tensors[0]):
        return np.concatenate(tensors, axis=1)
    return _self_attention(np.concatenate(tensors))


def _self_attention(vectors: np.ndarray) -> np.ndarray:
    """``[pages, dim]`` -> ``[1, dim]``: what the last vector attends to."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    directions = vectors / lengths
    weights = np.exp(directions @ directions[-1])
    weights /= weights.sum()
    attended = weights @ vectors
    return (attended * (weights @ lengths / max(np.linalg.norm(attended), np.finfo(np.float32).tiny)))[np.newaxis]

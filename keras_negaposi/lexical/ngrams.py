"""Extracts character n-grams and words from texts, hashed to a fixed number of buckets (the "hashing trick").

Here a Japanese "word" is a run of one script: kanji, katakana, or Latin letters and digits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.lexical.code_points import CodePoints

BUCKET_BITS = 19
BUCKETS = 1 << BUCKET_BITS
LONGEST_RUN = 64
"""Characters of a run whose positions count in its hash; those of later characters do not."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio (Fibonacci hashing)
POWERS = np.cumprod(np.full(LONGEST_RUN, FACTOR, np.uint64))
MIX_SHIFT = np.uint64(29)


@dataclasses.dataclass(frozen=True)
class Terms:
    """The n-grams or words of several texts.

    Attributes:
        texts: index of the text of each term, ``int64 [terms]``.
        starts: position of its first character in the text, ``int64 [terms]``.
        ends: position after its last character, ``int64 [terms]``.
        buckets: hash of the term, below `BUCKETS`, ``int64 [terms]``.
        lengths: length of each text in characters, ``int64 [texts]``.
    """

    texts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    buckets: np.ndarray
    lengths: np.ndarray

    def head(self, size: int) -> Terms:
        """Returns the terms within the first ``size`` characters of their texts."""
        return self._where(self.ends <= size)

    def tail(self, size: int) -> Terms:
        """Returns the terms within the last ``size`` characters of their texts."""
        return self._where(self.starts >= self.lengths[self.texts] - size)

    def counts(self) -> csr_matrix:
        """Counts each bucket in each text, ``float32 [texts, BUCKETS]``."""
        ones = np.ones(len(self.buckets), np.float32)
        found = csr_matrix((ones, (self.texts, self.buckets)), (len(self.lengths), BUCKETS))
        found.sum_duplicates()
        return found

    def _where(self, kept: np.ndarray) -> Terms:
        return Terms(self.texts[kept], self.starts[kept], self.ends[kept], self.buckets[kept], self.lengths)


def ngrams(texts: CodePoints, sizes: Sequence[int], allowed: np.ndarray | None = None) -> Terms:
    """Extracts the character n-grams of the given lengths.

    Args:
        texts: normalised texts.
        sizes: lengths in characters.
        allowed: ``bool [characters]``; n-grams that contain any other character are left out.
    """
    points = texts.points.astype(np.uint64) + np.uint64(1)
    columns = []
    for size in sizes:
        count = max(0, len(points) - size + 1)
        within = texts.texts[:count] == texts.texts[len(points) - count :]
        hashed = np.zeros(count, np.uint64)
        for offset in range(size):
            hashed = _mix(hashed + points[offset : offset + count])
            if allowed is not None:
                within = within & allowed[offset : offset + count]
        at = np.flatnonzero(within)
        columns.append((texts.texts[at], texts.positions[at], texts.positions[at] + size, _bucket(hashed[at])))
    owners, starts, ends, buckets = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Terms(owners, starts, ends, buckets, texts.lengths)


def runs(texts: CodePoints, scripts: np.ndarray, shortest: Sequence[int]) -> Terms:
    """Extracts the longest runs of characters of one script.

    Args:
        texts: normalised texts.
        scripts: script of each character, ``int [characters]``; 0 for characters that belong to no run.
        shortest: by script, the length in characters of the shortest run that is kept.
    """
    if not len(texts.points):
        return ngrams(texts, (1,))
    changes = (scripts[1:] != scripts[:-1]) | (texts.texts[1:] != texts.texts[:-1])
    starts = np.flatnonzero(np.r_[True, changes])
    lengths = np.diff(np.r_[starts, len(scripts)])
    # Hash each run with a polynomial over its characters, so that their order counts.
    places = np.minimum(np.arange(len(scripts)) - np.repeat(starts, lengths), LONGEST_RUN - 1)
    hashed = np.add.reduceat(_mix(texts.points.astype(np.uint64) + np.uint64(1)) * POWERS[places], starts)
    kept = (scripts[starts] > 0) & (lengths >= np.asarray(shortest)[scripts[starts]])
    starts, lengths = starts[kept], lengths[kept]
    first = texts.positions[starts]
    return Terms(texts.texts[starts], first, first + lengths, _bucket(_mix(hashed[kept])), texts.lengths)


def _mix(values: np.ndarray) -> np.ndarray:
    """Spreads the bits of 64-bit values."""
    values = values * FACTOR
    return values ^ (values >> MIX_SHIFT)


def _bucket(hashed: np.ndarray) -> np.ndarray:
    """Returns the highest bits of multiplied hashes as bucket numbers."""
    return (hashed * FACTOR >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)

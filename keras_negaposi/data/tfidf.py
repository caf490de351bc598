"""TF-IDF of character n-grams, and the texts that are most similar by it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.sparse_blocks import invert, stack

ROWS = 500
"""Most queries that are compared at once."""
COSINES = 1 << 24
"""Most cosines of them, which limits the memory; one query has as many as there are texts."""
BLOCK = 4096
"""Rows of a large matrix that are looked at, and copied, at once."""
HASHED_FROM = 50_000
"""From so many texts on, n-grams are hashed: a dictionary of them grows with the texts."""
HASHES = 1 << 24
POSTINGS = 64
"""Approximate size of the random sample of texts that is kept for a common n-gram."""
_ROUNDING = 1e-9
"""Far more than the rounding errors of a sum of squares."""


class NGrams:
    """TF-IDF of character n-grams, bigrams and trigrams by default, which need no word segmentation of Japanese.

    Rows have length 1. A text without any known n-gram has a row of zeros; where no fitted text is long enough for an
    n-gram, all texts have.
    """

    def __init__(self, sizes: tuple[int, int] = (2, 3)) -> None:
        """Prepares the vectorizer.

        Args:
            sizes: length of the shortest and of the longest n-grams, in characters.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

        self._vectorizer = TfidfVectorizer(analyzer="char", ngram_range=sizes, sublinear_tf=True)
        self._any = True

    def fit_transform(self, texts: Iterable[str]) -> csr_matrix:
        """Learns the n-grams and their weights from the texts; returns their rows, ``float64 [texts, n-grams]``."""
        count = itertools.count()
        try:
            return self._vectorizer.fit_transform(text for text, _ in zip(texts, count, strict=False))
        except ValueError as error:
            if isinstance(error, InputError) or "empty vocabulary" not in str(error):
                raise
            self._any = False
            return csr_matrix((next(count), 1))

    def transform(self, texts: list[str]) -> csr_matrix:
        """Returns the rows of other texts, ``float64 [texts, n-grams]``."""
        return self._vectorizer.transform(texts) if self._any else csr_matrix((len(texts), 1))


def tfidf_rows(texts: Iterable[str], total: int, sizes: tuple[int, int] = (2, 3)) -> csr_matrix:
    """Returns the rows of `NGrams`, or of hashed n-grams if there are many texts.

    Two n-grams of the same hash count as one, so that cosines of hashed ones differ a little.

    Args:
        texts: need not be in memory at once.
        total: number of texts.
        sizes: as `NGrams` takes them.

    Returns:
        ``float64 [texts, n-grams]``, or ``float32 [texts, HASHES]``.
    """
    if total < HASHED_FROM:
        return NGrams(sizes).fit_transform(texts)
    from sklearn.feature_extraction.text import HashingVectorizer  # slow to import
    from sklearn.preprocessing import normalize

    options = {"norm": None, "alternate_sign": False, "dtype": np.float32}
    counting = HashingVectorizer(analyzer="char", ngram_range=sizes, n_features=HASHES, **options)
    stream = iter(texts)
    blocks = [counting.transform(some) for some in iter(lambda: list(itertools.islice(stream, BLOCK)), [])]
    rarity = (np.log((1 + total) / (1 + page_counts(blocks))) + 1).astype(np.float32)
    for block in blocks:
        block.data = (1 + np.log(block.data)) * rarity[block.indices]
        normalize(block, copy=False)
    return stack(blocks)


def page_counts(blocks: Iterable[csr_matrix]) -> np.ndarray:
    """Returns in how many rows each n-gram is, ``int64 [n-grams]``."""
    return functools.reduce(np.add, (np.bincount(rows.indices, minlength=rows.shape[1]) for rows in blocks))


def row_blocks(rows: csr_matrix) -> Iterator[csr_matrix]:
    """Yields copies of all rows, `BLOCK` at a time; one block without rows if there are none."""
    return (rows[start : start + BLOCK] for start in range(0, max(1, rows.shape[0]), BLOCK))


def all_cosines(queries: csr_matrix, texts: csr_matrix) -> Iterator[np.ndarray]:
    """Compares a few queries with all texts; yields ``float [texts of a block, queries]``."""
    columns = queries.T.tocsr()
    return ((block @ columns).toarray() for block in row_blocks(texts))


def sampled(rows: csr_matrix, counts: np.ndarray, rng: np.random.Generator) -> csr_matrix:
    """Keeps about `POSTINGS` random rows of each n-gram, all of a rarer one, so that a look-up takes limited time.

    Args:
        rows: some of the rows that were counted.
        counts: of `page_counts`.
        rng: a generator that has sampled the rows before these.
    """
    return _only(rows, rng.random(rows.nnz) * counts[rows.indices] < POSTINGS)


def inverted(blocks: list[csr_matrix]) -> csr_matrix:
    """Returns for each n-gram the rows of all blocks that have it, ``[n-grams, rows]``; empties the list."""
    rows = sum(block.shape[0] for block in blocks)
    starts, numbers, values = invert(blocks, blocks[0].dtype.type)
    return csr_matrix((values, numbers, starts), (len(starts) - 1, rows))


def _only(rows: csr_matrix, kept: np.ndarray) -> csr_matrix:
    """Returns rows with some of their values, ``bool [values]``."""
    ends = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return csr_matrix((rows.data[kept], rows.indices[kept], ends), rows.shape)


def top_neighbours(queries: csr_matrix, texts: csr_matrix) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compares each query with every text, exactly; `tfidf_index.TfidfIndex` is for corpora where that takes too long.

    Args:
        queries: rows of `NGrams`.
        texts: rows of the same `NGrams`.

    Yields:
        For each query the numbers of the texts that share an n-gram with it, and their cosines, as `by_cosine`.
    """
    columns = texts.T.tocsr()
    at_once = max(1, min(ROWS, COSINES // max(1, texts.shape[0])))
    for start in range(0, queries.shape[0], at_once):
        product = queries[start : start + at_once] @ columns
        product.sort_indices()
        for first, end in itertools.pairwise(product.indptr):
            yield by_cosine(product.indices[first:end], product.data[first:end])


def have_close_text(queries: csr_matrix, texts: csr_matrix, least: float) -> np.ndarray:
    """Finds the queries that have a cosine of at least ``least`` with any text, without comparing all pairs.

    Only the rarest n-grams of each row are looked up: so many that the weights of the others have a length below
    ``least``. Rows that share none of these have a cosine below it (prefix filtering, Bayardo et al. 2007). This is
    exact below `HASHED_FROM` texts. From then on only a sample of a common n-gram's texts is looked at.

    Args:
        queries: rows of `NGrams`.
        texts: rows of the same `NGrams`.
        least: above 0.

    Returns:
        ``bool [queries]``.
    """
    counts = page_counts(row_blocks(texts))
    rarest = [_rarest(block, counts, least) for block in row_blocks(texts)]
    if texts.shape[0] >= HASHED_FROM:
        counts_of_rarest, rng = page_counts(rarest), np.random.default_rng(0)
        rarest = [sampled(block, counts_of_rarest, rng) for block in rarest]
    columns = inverted(rarest)
    dense = np.zeros(texts.shape[1], texts.dtype)
    close = np.zeros(queries.shape[0], bool)
    for start in range(0, len(close), ROWS):
        shared = _rarest(queries[start : start + ROWS], counts, least) @ columns
        for query, (first, end) in enumerate(itertools.pairwise(shared.indptr), start):
            own = slice(*queries.indptr[query : query + 2])
            dense[queries.indices[own]] = queries.data[own]
            close[query] = (texts[shared.indices[first:end]] @ dense >= least).any()
            dense[queries.indices[own]] = 0
    return close


def _rarest(rows: csr_matrix, counts: np.ndarray, least: float) -> csr_matrix:
    """Leaves out the most common n-grams of each row, as long as their weights have a length below ``least``."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    commonest_first = np.lexsort((rows.indices, -counts[rows.indices], owners))
    squares = np.concatenate([[0.0], np.cumsum(rows.data[commonest_first] ** 2, dtype=np.float64)])
    kept = np.empty(rows.nnz, bool)
    kept[commonest_first] = squares[1:] - squares[rows.indptr[owners]] >= least**2 - _ROUNDING
    return _only(rows, kept)


def by_cosine(numbers: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorts texts by cosine, the highest first; texts with equal cosines keep their order."""
    order = np.argsort(-cosines, kind="stable")
    return numbers[order], cosines[order]

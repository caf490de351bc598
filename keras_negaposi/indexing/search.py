"""Ranking all pages of an index for one page."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from checkpoints_tools.errors import InputError
from keras_negaposi.frozen import text_key
from keras_negaposi.indexing.build import check_model
from keras_negaposi.indexing.cached import CachedScorer
from keras_negaposi.indexing.context import attend
from keras_negaposi.indexing.store import Rows, Store
from keras_negaposi.scorer import Scorer

CHUNK = 256
"""Kept texts compared at once: of token states some tens of megabytes."""
VECTOR = "vector"
"""The tensor of heads that keep one vector of length 1 a page, whose score rises with the cosine."""
RERANK_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A page to link to, and the probability that it comes next."""

    title: str
    text: str
    score: float


class Index:
    """An index with the model that made it.

    Args:
        path: of `build.build_index`.
        run: the run that made it; where it lay then, if ``None``.
        approximate: find the nearest vectors by faiss' HNSW graph instead of comparing all.

    Raises:
        InputError: it is not an index, its model has gone or changed, or it cannot be searched so.
    """

    def __init__(self, path: str, run: str | None = None, approximate: bool = False) -> None:
        self.store = Store(path)
        if not self.store.exists():
            raise InputError(f"{path}: no index there; make one with python -m keras_negaposi.index")
        self.scorer = CachedScorer(run or str(self.store.about["run"]))
        self.scorer.prepare("a")
        arithmetic = (self.store.model["dtype"], self.store.model.get("precision", "float32"))
        model = self.scorer.fingerprint(*arithmetic)
        check_model(self.store, model, "make the index anew with --output, or give its --run")
        self._titles: dict[str, list[str]] = {}
        for title, text in self.store.pages.items():
            self._titles.setdefault(text_key(text), []).append(title)
        missing = len(self._titles.keys() - self.store.keys())
        if missing:
            raise InputError(f"{path}: {missing:,} texts are not encoded yet; run keras_negaposi.index again")
        self._neighbours = self._vectors = None
        if self.scorer.head == VECTOR:
            self._keys, self._vectors = self._live_vectors()
            self._neighbours = (_Hnsw if approximate else _Exact)(self._vectors)
        elif approximate:
            raise InputError(f"--approximate: the head is {self.scorer.head}, which keeps more than one vector a page")

    def text(self, title: str) -> str:
        """The page's text.

        Raises:
            InputError: there is no such page.
        """
        if title not in self.store.pages:
            raise InputError(f"--title {title}: no such page among the {len(self.store.pages):,} of the index")
        return self.store.pages[title]

    def suggest(
        self,
        text: str | Sequence[str],
        top: int,
        skip: Collection[str] = (),
        rerank: int = 0,
        reranker: Scorer | None = None,
    ) -> list[Suggestion]:
        """The pages most likely to come next after a text, the best first.

        Args:
            text: of A; or of several pages, of which the last is to be gone on from.
            top: how many.
            skip: titles never suggested, the page's own for one.
            rerank: how many of the best the ``reranker`` puts in order; its probabilities are theirs then.
            reranker: a model that sees both texts at once: of several pages the last.
        """
        texts = _texts(text)
        wanted = max(top, rerank)
        found: list[Suggestion] = []
        for key, score in self._best(self._query(texts), wanted + len(skip)):
            titles = [title for title in self._titles[key] if title not in skip]
            found += [Suggestion(title, self.store.pages[title], score) for title in titles]
            if len(found) >= wanted:
                break
        if rerank and reranker:
            best, rest = found[:rerank], found[rerank:]
            scored = reranker.stream(((texts[-1], suggestion.text) for suggestion in best), RERANK_BATCH)
            best = [dataclasses.replace(s, score=p) for s, (p, _) in zip(best, scored, strict=True)]
            found = sorted(best, key=lambda suggestion: -suggestion.score) + rest
        return found[:top]

    def score_all(self, text: str | Sequence[str]) -> dict[str, float]:
        """Probability by text's key, of every text in the index."""
        return self._score_all(self._query(_texts(text)))

    def score(self, text: str | Sequence[str], titles: Sequence[str]) -> list[float]:
        """Probabilities that pages of the index come next, in their order."""
        keys = [text_key(self.text(title)) for title in titles]
        scores = self._score_all(self._query(_texts(text)), set(keys))
        return [scores[key] for key in keys]

    def _query(self, texts: Sequence[str]) -> Rows:
        """A's side, each text encoded by itself, so that padding is none."""
        return attend([self.scorer.encode("a", [text]) for text in texts])

    def _score_all(self, a: Rows, wanted: Collection[str] | None = None) -> dict[str, float]:
        scores: dict[str, float] = {}
        for keys, rows in self.store.chunks(CHUNK, wanted):
            scores.update(zip(keys, self.scorer.score(a, rows).tolist(), strict=True))
        return scores

    def _best(self, a: Rows, count: int) -> list[tuple[str, float]]:
        """The keys of the best texts with their probabilities, the best first."""
        if self._neighbours is None:
            scores = self._score_all(a)
            return sorted(((key, scores[key]) for key in self._titles), key=lambda item: -item[1])[:count]
        rows = self._neighbours.nearest(a[VECTOR], min(count, len(self._keys)))
        scores = self.scorer.score(a, {VECTOR: self._vectors[rows]}).tolist()
        return list(zip([self._keys[row] for row in rows], scores, strict=True))

    def _live_vectors(self) -> tuple[list[str], np.ndarray]:
        keys, rows = zip(*((keys, rows[VECTOR]) for keys, rows in self.store.chunks(CHUNK)), strict=True)
        flat, vectors = [key for chunk in keys for key in chunk], np.concatenate(rows)
        live = [row for row, key in enumerate(flat) if key in self._titles]
        return [flat[row] for row in live], vectors[live]


def _texts(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


class _Exact:
    """All vectors are compared (scikit-learn)."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._neighbours = NearestNeighbors(algorithm="brute", metric="cosine").fit(vectors.astype(np.float32))

    def nearest(self, query: np.ndarray, count: int) -> np.ndarray:
        """Rows of the nearest vectors, the nearest first."""
        return self._neighbours.kneighbors(query, count, return_distance=False)[0]


class _Hnsw:
    """A graph of neighbours is walked (faiss; Malkov & Yashunin 2016, arXiv 1603.09320)."""

    LINKS = 32
    LEAST_SEARCH = 128

    def __init__(self, vectors: np.ndarray) -> None:
        try:
            import faiss
        except ImportError:
            raise InputError("--approximate: needs faiss; pip install 'keras_negaposi[ann]'") from None
        self._index = faiss.IndexHNSWFlat(vectors.shape[1], self.LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.add(vectors.astype(np.float32))

    def nearest(self, query: np.ndarray, count: int) -> np.ndarray:
        """Rows of the nearest vectors found, the nearest first."""
        self._index.hnsw.efSearch = max(self.LEAST_SEARCH, 2 * count)
        found = self._index.search(query.astype(np.float32), count)[1][0]
        return found[found >= 0]

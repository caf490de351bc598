"""Ranking all pages of an index for one page."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.texts import text_key
from keras_negaposi.readers.document import composed
from keras_negaposi.retrieval.build import check_model
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.multi_page_query import attend
from keras_negaposi.retrieval.nearest_neighbours import Exact, Hnsw
from keras_negaposi.retrieval.segment import MASK, Rows, is_by_token
from keras_negaposi.retrieval.store import Store
from keras_negaposi.serving.scorer import Scorer

CHUNK = 256
"""Kept texts compared at once: of token states some tens of megabytes."""
VECTOR = "vector"
"""The tensor of heads that keep one vector of length 1 a page, whose score rises with the cosine."""
RERANK_BATCH = 32
QUERY_BATCH = 32


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
        self.scorer = CachedScorer(run or self.store.named("about", "run"))
        self.scorer.prepare("a")
        arithmetic = (self.store.named("model", "dtype"), self.store.model.get("precision", "float32"))
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
            self._neighbours = (Hnsw if approximate else Exact)(self._vectors)
        elif approximate:
            raise InputError(f"--approximate: the head is {self.scorer.head}, which keeps more than one vector a page")

    def title(self, name: str) -> str:
        """The page's title as the index has it: the same, or the same in another Unicode form (macOS decomposes names).

        Raises:
            InputError: there is no such page.
        """
        if name in self.store.pages:
            return name
        title = next((title for title in self.store.pages if composed(title) == composed(name)), None)
        if title is None:
            raise InputError(f"--title {quoted(name)}: no such page among the {len(self.store.pages):,} of the index")
        return title

    def text(self, title: str) -> str:
        """The page's text.

        Raises:
            InputError: there is no such page.
        """
        return self.store.pages[self.title(title)]

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
        ((_, found),) = self.suggest_each([_texts(text)], top, [skip], rerank, reranker)
        return found

    def suggest_each(
        self,
        queries: Sequence[Sequence[str]],
        top: int,
        skips: Sequence[Collection[str]],
        rerank: int = 0,
        reranker: Scorer | None = None,
    ) -> Iterator[tuple[int, list[Suggestion]]]:
        """`suggest` for many: gives the position of a query and what was found, queries of similar length together.

        Args:
            queries: texts each, of which the last is to be gone on from.
            top: how many of each.
            skips: titles never suggested, by query.
            rerank: see `suggest`.
            reranker: see `suggest`.
        """
        wanted = max(top, rerank)
        order = sorted(range(len(queries)), key=lambda i: sum(map(len, queries[i])))
        for start in range(0, len(order), QUERY_BATCH):
            batch = order[start : start + QUERY_BATCH]
            count = wanted + max(len(skips[i]) for i in batch)
            best = self._best(self._sides([queries[i] for i in batch]), count)
            for i, ranked in zip(batch, best, strict=True):
                found = self._suggestions(ranked, wanted, skips[i])
                yield i, (_reranked(found, queries[i][-1], rerank, reranker) if reranker else found)[:top]

    def score_all(self, text: str | Sequence[str]) -> dict[str, float]:
        """Probability by text's key, of every text in the index."""
        return self._score_all(self._query(_texts(text)))

    def score(self, text: str | Sequence[str], titles: Sequence[str]) -> list[float]:
        """Probabilities that pages of the index come next, in their order."""
        keys = [text_key(self.text(title)) for title in titles]
        scores = self._score_all(self._query(_texts(text)), set(keys))
        return [scores[key] for key in keys]

    def _query(self, texts: Sequence[str]) -> Rows:
        return self._sides([texts])[0]

    def _sides(self, queries: Sequence[Sequence[str]]) -> list[Rows]:
        """A's side of each query."""
        texts = list(dict.fromkeys(text for query in queries for text in query))
        rows = self.scorer.encode("a", texts)
        sides = {
            text: _unpadded({name: value[i : i + 1] for name, value in rows.items()}) for i, text in enumerate(texts)
        }
        return [attend([sides[text] for text in query]) for query in queries]

    def _suggestions(self, ranked: Sequence[tuple[str, float]], wanted: int, skip: Collection[str]) -> list[Suggestion]:
        found: list[Suggestion] = []
        for key, score in ranked:
            titles = [title for title in self._titles[key] if title not in skip]
            found += [Suggestion(title, self.store.pages[title], score) for title in titles]
            if len(found) >= wanted:
                break
        return found

    def _score_all(self, a: Rows, wanted: Collection[str] | None = None) -> dict[str, float]:
        scores: dict[str, float] = {}
        for keys, rows in self.store.chunks(CHUNK, wanted):
            scores.update(zip(keys, self.scorer.score(a, rows).tolist(), strict=True))
        return scores

    def _best(self, sides: Sequence[Rows], count: int) -> Iterator[list[tuple[str, float]]]:
        """For each query the keys of the best texts with their probabilities, the best first."""
        if self._neighbours is None:
            for a in sides:
                scores = self._score_all(a)
                yield sorted(((key, scores[key]) for key in self._titles), key=lambda item: -item[1])[:count]
            return
        vectors = np.concatenate([a[VECTOR] for a in sides])
        for a, rows in zip(sides, self._neighbours.nearest(vectors, min(count, len(self._keys))), strict=True):
            scores = self.scorer.score(a, {VECTOR: self._vectors[rows]}).tolist()
            yield list(zip([self._keys[row] for row in rows], scores, strict=True))

    def _live_vectors(self) -> tuple[list[str], np.ndarray]:
        keys, rows = zip(*((keys, rows[VECTOR]) for keys, rows in self.store.chunks(CHUNK)), strict=True)
        flat, vectors = [key for chunk in keys for key in chunk], np.concatenate(rows)
        live = [row for row, key in enumerate(flat) if key in self._titles]
        return [flat[row] for row in live], vectors[live]


def _texts(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _unpadded(rows: Rows) -> Rows:
    """Of one text, as if it had been encoded by itself."""
    if MASK not in rows:
        return rows
    length = int(rows[MASK].sum())
    return {name: value[:, :length] if is_by_token(name, value) else value for name, value in rows.items()}


def _reranked(found: Sequence[Suggestion], text: str, count: int, reranker: Scorer) -> list[Suggestion]:
    best, rest = found[:count], found[count:]
    scored = reranker.stream(((text, suggestion.text) for suggestion in best), RERANK_BATCH)
    best = [dataclasses.replace(s, score=p) for s, (p, _) in zip(best, scored, strict=True)]
    return [*sorted(best, key=lambda suggestion: -suggestion.score), *rest]

"""Searches an index: ranks all of its pages as the next page of a text."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from checkpoints_tools.common.errors import InputError, masked
from keras_negaposi.config import IndexConfig
from keras_negaposi.config.heads import BI_ENCODER
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.texts import text_key
from keras_negaposi.index_files.database_copy import local_folder
from keras_negaposi.index_files.segment import Rows, is_by_token
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vector_shards import open_neighbours
from keras_negaposi.index_files.vectors import Vectors
from keras_negaposi.modeling.heads.tensor_names import MASK
from keras_negaposi.retrieval.build import check_model, index_pages, lexical_fingerprint
from keras_negaposi.retrieval.given_pages import given_pages
from keras_negaposi.retrieval.hybrid_ranker import HybridRanker
from keras_negaposi.retrieval.matched_tokens import TOKEN_HEADS, TokenMatch, TokenMatcher
from keras_negaposi.retrieval.multi_page_query import attend
from keras_negaposi.retrieval.origin import Origin, is_untrained, origin_of_run, origin_without_run
from keras_negaposi.retrieval.rankers import (
    FullRanker,
    NearestNeighbourRanker,
    Query,
    Ranked,
    Ranker,
    SideScorer,
)
from keras_negaposi.retrieval.suggestions import Suggestion, reranked
from keras_negaposi.retrieval.titles import find_page, unknown_title
from keras_negaposi.runtime.temporary_folder import TemporaryFolder
from keras_negaposi.serving.scorer import Scorer

if TYPE_CHECKING:
    from keras_negaposi.retrieval.cached_encoder import CachedScorer

QUERY_BATCH = 32


class TrainedModel(Protocol):
    """A trained model, such as `PairClassifier`."""

    @property
    def run_folder_(self) -> str:
        """Folder of its run."""


class Index:
    """An index and the model that made it, if any.

    Args:
        path: folder of the index, written by `build.build_index`, or ``postgresql://`` URL.
        run: folder of the run that made it; if ``None``, where the run was at that time.
        approximate: search the nearest vectors by faiss (``True``), or compare all of them (``False``); ``None``: by
            faiss if there are so many that `build` has prepared that.
        before: the same index before an update; its model is used again if it is still the same.

    Raises:
        InputError: ``path`` is not an index, its model is missing or has changed, or ``approximate`` is not available.
    """

    def __init__(
        self, path: str, run: str | None = None, approximate: bool | None = None, before: Index | None = None
    ) -> None:
        self._options = path, run, approximate
        self.store = Store(local_folder(path))
        same = before is not None and before.store.model == self.store.model
        loaded = before.origin.scorer if before and same else None
        if not self.store.exists():
            raise InputError(f"{path}: not an index; make one with python -m keras_negaposi.index")
        self._titles: dict[str, list[str]] = {}
        for title, text in self.store.pages.items():
            self._titles.setdefault(text_key(text), []).append(title)
        texts = {key: self.store.pages[titles[0]] for key, titles in self._titles.items()}

        # Open what the index ranks with.
        if is_untrained(self.store):
            if run is not None:
                raise InputError(
                    f"--run {run}: has no effect on {masked(path)}, which was made without a run; leave it out"
                )
            self.origin: Origin = origin_without_run(self.store, list(texts), list(texts.values()), loaded)
        else:
            self.origin = origin_of_run(self.store, self._checked_scorer(run, loaded), list(texts.values()))
        self._ranker = self._make_ranker(texts, approximate)
        self._kept: tuple[object, ...] = ()

    @classmethod
    def build(
        cls, model: str | TrainedModel | None, texts: Mapping[str, str] | Iterable[str], path: str | None = None
    ) -> Index:
        """Builds an index of texts, or updates one, and opens it.

        Args:
            model: a trained model, or the folder of its run, whose head encodes A and B separately (``vector``, ...);
                ``None`` to rank without training, by lexical features.
            texts: title -> text; or texts alone, whose titles are then their positions, "0", "1", ...
            path: folder of the index, or ``postgresql://`` URL; if ``None``, a temporary folder that is removed with
                the returned object.

        Raises:
            InputError: the texts or the model cannot be used, or ``path`` is the index of another model.
        """
        run = model if model is None or isinstance(model, str) else model.run_folder_
        folder = TemporaryFolder() if path is None else None
        output = folder.path if folder else str(path)
        index_pages(run, IndexConfig(output=output), given_pages(texts))
        index = cls(output, run)
        index._kept = (model, folder)  # The index reads their folders.
        return index

    def reopened(self) -> Index:
        """Opens the index again after an update; a model that is still the same is not loaded again."""
        return Index(*self._options, before=self)

    def _checked_scorer(self, run: str | None, loaded: SideScorer | None) -> CachedScorer:
        """Loads the run's model, unless it is loaded.

        Raises:
            InputError: the index is not complete, or was made with another model.
        """
        from keras_negaposi.retrieval.cached_encoder import CachedScorer  # with TensorFlow

        run = run or self.store.named("about", "run")
        scorer = loaded if isinstance(loaded, CachedScorer) and loaded.run == run else CachedScorer(run)
        scorer.prepare("a")
        dtype, precision = self.store.named("model", "dtype"), self.store.model.get("precision", "float32")
        model = scorer.fingerprint(dtype, precision) | lexical_fingerprint(scorer.run)
        check_model(self.store, model, "build the index again with another --output, or give its --run")
        return scorer

    def _make_ranker(self, texts: Mapping[str, str], approximate: bool | None) -> Ranker:
        """Returns what ranks the texts of the index.

        Args:
            texts: by key.
            approximate: see the class.

        Raises:
            InputError: the index is not complete, or ``approximate`` is not available.
        """
        origin, neural = self.origin, None
        if origin.scorer:
            missing = len(texts.keys() - self.store.keys())
            if missing:
                raise InputError(
                    f"{self.store.path}: {missing:,} texts are not encoded yet; run keras_negaposi.index again"
                )
            neural = self._neural_ranker(origin.scorer, approximate)
        elif approximate:
            raise InputError("--approximate: this index has no vectors; leave the flag out")
        if origin.lexical and origin.combine:
            return HybridRanker(neural, origin.lexical, texts, origin.combine)
        if neural is None:
            raise InputError(f"{self.store.path}: has nothing to rank with; build the index again")
        return neural

    def _neural_ranker(self, scorer: SideScorer, approximate: bool | None) -> Ranker:
        if scorer.head == BI_ENCODER:
            vectors = self.origin.vectors or Vectors(self.store.segments, self._titles, centred=False)
            return NearestNeighbourRanker(scorer, vectors, open_neighbours(self.store, vectors, approximate))
        if approximate:
            raise InputError(
                f"--approximate: the head is {scorer.head}, which stores more than one vector per page; leave the flag "
                "out"
            )
        return FullRanker(scorer, self.store, self._titles)

    def preparing(self) -> Iterator[int]:
        """Computes ahead what queries need of the pages, so that the first ones are as fast as later ones.

        Yields:
            The number of texts that are ready, after a few each time; nothing if there is nothing to compute.
        """
        return self._ranker.preparing() if isinstance(self._ranker, HybridRanker) else iter(())

    def title(self, name: str) -> str:
        """Returns a page's title as the index has it, which may be another Unicode form (macOS decomposes file names).

        Raises:
            InputError: there is no such page.
        """
        title = find_page(name, self.store.pages)
        if title is None:
            raise unknown_title(name, self.store.pages, Documents(self.origin.group_pattern))
        return title

    def text(self, title: str) -> str:
        """Returns a page's text.

        Raises:
            InputError: there is no such page.
        """
        return self.store.pages[self.title(title)]

    def suggest(
        self,
        text: str | Sequence[str],
        top: int = 10,
        skip: Collection[str] = (),
        rerank: int = 0,
        reranker: Scorer | None = None,
    ) -> list[Suggestion]:
        """Returns the pages that are most likely to come next after a text, the best first; never the text itself.

        Args:
            text: A; or the texts of several pages: suggestions follow the last one, and the others are context.
            top: number of suggestions.
            skip: titles that are not suggested, besides those of pages with the same text.
            rerank: number of best pages that the ``reranker`` sorts; they get its probabilities.
            reranker: a cross-encoder. With several texts it sees the last one only.
        """
        texts = _texts(text)
        own = [title for text in texts for title in self.titles_of(text_key(text))]
        ((_, found),) = self.suggest_each([texts], top, [{*skip, *own}], rerank, reranker)
        return found

    def suggest_each(
        self,
        queries: Sequence[Sequence[str]],
        top: int,
        skips: Sequence[Collection[str]],
        rerank: int = 0,
        reranker: Scorer | None = None,
    ) -> Iterator[tuple[int, list[Suggestion]]]:
        """Does the same as `suggest` for many queries, those of similar length together, but skips only ``skips``.

        Args:
            queries: one or several texts each, as in `suggest`.
            top: number of suggestions per query.
            skips: titles that are not suggested, by query.
            rerank: see `suggest`.
            reranker: see `suggest`.

        Yields:
            The position of a query and its suggestions; the queries come in any order.
        """
        wanted = max(top, rerank)
        order = sorted(range(len(queries)), key=lambda i: sum(map(len, queries[i])))
        for start in range(0, len(order), QUERY_BATCH):
            batch = order[start : start + QUERY_BATCH]
            count = wanted + max(len(skips[i]) for i in batch)
            best = self._ranker.best(self._encode([queries[i] for i in batch]), count)
            for i, ranked in zip(batch, best, strict=True):
                found = self._suggestions(ranked, wanted, skips[i])
                yield i, (reranked(found, queries[i][-1], rerank, reranker) if reranker else found)[:top]

    def titles_of(self, key: str) -> Sequence[str]:
        """Returns the titles of the pages with a text, which `text_key` names; none if there is no such page."""
        return self._titles.get(key, ())

    def score_all(self, text: str | Sequence[str]) -> dict[str, float]:
        """Returns the probability that each text of the index comes next, by the text's key."""
        (query,) = self._encode([_texts(text)])
        return self._ranker.score(query, list(self._titles))

    def score(self, text: str | Sequence[str], titles: Sequence[str]) -> list[float]:
        """Returns the probabilities that some pages of the index come next, in the order of their titles."""
        keys = [text_key(self.text(title)) for title in titles]
        (query,) = self._encode([_texts(text)])
        scores = self._ranker.score(query, list(dict.fromkeys(keys)))
        return [scores[key] for key in keys]

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Returns the probability for each pair of any texts that B comes next after A."""
        by_a: dict[str, list[int]] = {}
        for place, (a, _) in enumerate(pairs):
            by_a.setdefault(a, []).append(place)
        neural = np.full(len(pairs), np.nan)
        for query, places in zip(self._encode([[a] for a in by_a]), by_a.values(), strict=True):
            if self.origin.scorer:
                rows = self.origin.scorer.encode_candidates([pairs[place][1] for place in places])
                neural[places] = self.origin.scorer.score(query.side, rows)
        if not (self.origin.lexical and self.origin.combine):
            return neural.tolist()
        logits = self.origin.lexical.model.logits_of_texts([a for a, _ in pairs], [b for _, b in pairs])
        return self.origin.combine(neural, logits).tolist()

    @property
    def has_matched_tokens(self) -> bool:
        """Whether the head compares tokens that can be shown."""
        return self.origin.run is not None and self.origin.scorer is not None and self.origin.scorer.head in TOKEN_HEADS

    def matched_tokens(self, text_a: str, text_b: str) -> list[TokenMatch]:
        """Returns the tokens of A and B that the head has matched, the strongest first; none for most heads."""
        return self._matcher.matches(text_a, text_b) if self.has_matched_tokens else []

    @functools.cached_property
    def _matcher(self) -> TokenMatcher:
        return TokenMatcher(cast("CachedScorer", self.origin.scorer))

    def _encode(self, queries: Sequence[Sequence[str]]) -> list[Query]:
        """Encodes queries as A; a text that is in several queries is encoded once."""
        if self.origin.scorer is None:
            return [Query(query[-1], {}) for query in queries]
        texts = list(dict.fromkeys(text for query in queries for text in query))
        rows = self.origin.scorer.encode("a", texts)
        sides = {
            text: _unpadded({name: value[i : i + 1] for name, value in rows.items()}) for i, text in enumerate(texts)
        }
        return [Query(query[-1], attend([sides[text] for text in query])) for query in queries]

    def _suggestions(self, ranked: Ranked, wanted: int, skip: Collection[str]) -> list[Suggestion]:
        """Returns the pages of ranked texts; several pages may have the same text."""
        found: list[Suggestion] = []
        for key, score in ranked:
            titles = [title for title in self._titles[key] if title not in skip]
            found += [Suggestion(title, self.store.pages[title], score) for title in titles]
            if len(found) >= wanted:
                break
        return found


def _texts(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _unpadded(rows: Rows) -> Rows:
    """Returns one text's tensors without the padding that the other texts of its batch have caused."""
    if MASK not in rows:
        return rows
    length = int(rows[MASK].sum())
    return {name: value[:, :length] if is_by_token(name, value) else value for name, value in rows.items()}

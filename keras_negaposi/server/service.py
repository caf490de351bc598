"""Everything that the server does for requests, without HTTP: the index, the workers, and the decisions."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import ServeConfig
from keras_negaposi.data.pairs import read_links
from keras_negaposi.index_files.database_copy import side_files
from keras_negaposi.retrieval.matched_tokens import TokenMatch
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggest import unbeaten_warning
from keras_negaposi.retrieval.suggestions import Suggestion
from keras_negaposi.server.all_links import AllLinks, public_note
from keras_negaposi.server.answering import Answering, Question, Suggested, page_title
from keras_negaposi.server.decision_log import DecisionLog
from keras_negaposi.server.live_index import LiveIndex, Opened
from keras_negaposi.server.measures import Measures
from keras_negaposi.server.page_search import PageSearch
from keras_negaposi.server.preparation import Preparation
from keras_negaposi.server.requests import RequestError
from keras_negaposi.server.reranking import Reranking
from keras_negaposi.server.watching import Watcher
from keras_negaposi.server.worker import Worker

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs to score, and the index that they were resolved with."""

    opened: Opened
    pairs: tuple[tuple[str, str], ...]

    def answer(self) -> list[float]:
        """Returns the scores."""
        return self.opened.index.score_pairs(self.pairs)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """Two texts whose matched tokens are wanted."""

    opened: Opened
    text_a: str
    text_b: str

    def answer(self) -> list[TokenMatch]:
        """Returns the matched tokens."""
        return self.opened.index.matched_tokens(self.text_a, self.text_b)


class Service:
    """Answers requests.

    Args:
        path: folder of the index, or ``postgresql://`` URL.
        config: of the server.

    Raises:
        InputError: the index, a model or a file cannot be used.
    """

    def __init__(self, path: str, config: ServeConfig) -> None:
        self.config, self.measures = config, Measures()
        base = side_files(path)
        self.log = DecisionLog(config.decisions or f"{base}.decisions.sqlite")
        self._live = LiveIndex(path, lambda: Index(path, config.run, config.approximate), self._swapped)
        self._reranking = Reranking(config.reranker)
        self.links = AllLinks(
            f"{base}.suggestions.sqlite", self._known_links(), unbeaten_warning(self.opened.index.origin.run)
        )
        self._answering = Answering(self._live, self.measures)
        self._search: tuple[str, PageSearch] | None = None
        self._preparation = Preparation()
        self._worker = Worker("suggest", self._work, self._in_background)
        self._rerank_worker = Worker("rerank", self._reranking.rerank)
        self._live.follow()

    @property
    def opened(self) -> Opened:
        """The index that is served now."""
        return self._live.now

    @property
    def has_probabilities(self) -> bool:
        """Whether scores are probabilities."""
        return self.opened.index.origin.is_probability

    async def suggest(self, question: Question, rerank: int) -> list[Suggestion]:
        """Returns suggestions, with everything that waits computed together.

        Raises:
            RequestError: the question cannot be answered, or not in time.
        """
        if rerank:
            self._reranking.check(self.opened.index.origin)
        if rerank <= question.top:
            return (await self._asked(question, rerank))[: question.top]
        more = dataclasses.replace(question, top=rerank)
        return (await self._asked(more, rerank))[: question.top]

    async def _asked(self, question: Question, rerank: int) -> list[Suggestion]:
        answer: Suggested = await self._in_time(self._worker.submit(question))
        if rerank:
            item = answer.suggestions, answer.text, rerank, answer.opened.index.origin
            return await self._in_time(self._rerank_worker.submit(item))
        return answer.suggestions

    async def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Returns the score of each pair of texts.

        Raises:
            RequestError: not in time.
        """
        return await self._in_time(self._worker.submit(Pairs(self.opened, tuple(pairs))))

    async def matched_tokens(self, a: str, b: str) -> list[TokenMatch]:
        """Returns the tokens that the model has matched in two pages, which their titles name.

        Raises:
            RequestError: there is no such page, or not in time.
        """
        text_a, text_b = await asyncio.to_thread(lambda: (self.text(None, a), self.text(None, b)))
        return await self._in_time(self._worker.submit(Tokens(self.opened, text_a, text_b)))

    def text(self, text: str | None, title: str | None) -> str:
        """Returns a text that is given itself, or as a page's title.

        Raises:
            RequestError: there is no such page.
        """
        index = self.opened.index
        return text if text is not None else index.store.pages[page_title(index, title or "")]

    def find(self, words: str, start: int, count: int) -> tuple[int, list[tuple[str, str]]]:
        """Returns the number of pages that contain all words, and some of these pages with their texts."""
        opened = self.opened
        pages = opened.index.store.pages
        if not words.strip():
            titles = list(pages)
        else:
            if self._search is None or self._search[0] != opened.state:
                self._search = opened.state, PageSearch(pages)
            titles = self._search[1].find(words)
        return len(titles), [(title, pages[title]) for title in titles[start : start + count]]

    def measured(self) -> bytes:
        """Returns what was counted, for Prometheus."""
        self.measures.waiting.set(self._worker.waiting)
        self.measures.pages.set(len(self.opened.index.store.pages))
        self.measures.suggested.set(self.links.done(self.opened))
        self.measures.prepared.set(self._preparation.done)
        return self.measures.text()

    def note(self) -> str:
        """Returns how pages are ranked, without the folders of models."""
        note = public_note(self.opened.index)
        return note.english() if note else ""

    def close(self) -> None:
        """Ends the threads after the work that waits, and closes the files."""
        self._live.close()
        self._worker.close()
        self._rerank_worker.close()
        self.links.close()
        self.log.close()

    async def _in_time(self, future: Future) -> Any:  # noqa: ANN401
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.config.timeout)
        except TimeoutError:
            raise RequestError(503, "not answered in time; try again") from None

    def _work(self, items: Sequence[Question | Pairs | Tokens]) -> list[Any]:
        questions = [item for item in items if isinstance(item, Question)]
        answers = iter(self._answering.suggest(questions) if questions else [])
        return [next(answers) if isinstance(item, Question) else item.answer() for item in items]

    def _in_background(self) -> bool:
        """Does a short piece of work while nobody waits; returns whether there was any."""
        return self._preparation.step(self.opened) or (self.config.all_pages and self.links.step(self.opened))

    def _swapped(self) -> None:
        self.measures.swaps.inc()

    def _known_links(self) -> set[tuple[str, str]]:
        """Returns the pairs (a, b) where B is known to come next; none if the run's file is gone."""
        path = self.config.negaposi or self.opened.index.origin.negaposi
        if path is None:
            return set()
        try:
            return read_links(path)
        except (InputError, OSError):
            if self.config.negaposi:
                raise
            logger.warning("%s: file not found, so that no link is known; give the pairs as --negaposi", path)
            return set()


@contextlib.contextmanager
def running(path: str, config: ServeConfig) -> Iterator[Service]:
    """Yields a service for the index at ``path``; with ``--watch``, notes that change are indexed again meanwhile.

    Raises:
        InputError: the index, a model or a file cannot be used.
    """
    with contextlib.ExitStack() as stack:
        service = Service(path, config)
        stack.callback(service.close)
        if config.watch:
            watcher = Watcher(path, config.watch, config.length)
            stack.callback(watcher.close)
            watcher.start()
        yield service

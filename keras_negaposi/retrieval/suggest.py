"""Suggests pages of an index: resolves the request, ranks, filters, and renders the answer as text and as HTML."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.files import exists, write_blocks
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.schema import checked
from keras_negaposi.config import SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import read_links
from keras_negaposi.evaluation.baseline_comparison import unbeaten_baselines
from keras_negaposi.links_page.html_page import static_page
from keras_negaposi.links_page.message import Message
from keras_negaposi.links_page.page_data import likely_from
from keras_negaposi.retrieval.link_formats import LINKS, one_line
from keras_negaposi.retrieval.note_links import NoteLinks, page_data
from keras_negaposi.retrieval.queries import Query, make_queries, make_skips
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggestions import Suggestion, reranks_itself
from keras_negaposi.retrieval.text_formats import FORMATS
from keras_negaposi.serving.scorer import Scorer

logger = logging.getLogger(__name__)

PAGES_FOR_LINKS = 1000
"""Pages that are ranked to find enough different documents for links."""
PAGES_FOR_NOTES = 30
"""Pages that are ranked for each page of a note to find enough different notes for the HTML page."""
LONGEST_NAME = 60
"""Characters of a text that is no page, in place of a title."""


@dataclasses.dataclass(frozen=True)
class Request:
    """The options, with everything that they name found and loaded.

    Attributes:
        queries: one, or one for each page of a note or of the whole index.
        links: (a, b) where B is known to come next after A.
        documents: finds the document in a title.
        least: pages that are less probable are not suggested.
        reranker: sorts the best pages; ``None`` if they stay in the index's order.
        judged: run whose model gives the scores, if any.
        warning: why the suggestions may be of little use; ``None`` if nothing is known against them.
        note: how pages are ranked without a run; ``None`` for a run.
    """

    queries: list[Query]
    links: set[tuple[str, str]]
    documents: Documents
    least: float
    reranker: Scorer | None
    judged: str | None = None
    warning: Message | None = None
    note: Message | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """The suggestions as text, empty if they are for all pages, and `Request.warning` and `Request.note`."""

    text: str
    warning: Message | None
    note: Message | None


def suggest(path: str, config: SuggestConfig) -> Answer:
    """Suggests pages for ``--title`` or ``--text``; writes the file of ``--html``.

    Raises:
        InputError: the index, its model, a title or the text cannot be used.
    """
    index = Index(path, config.run, config.approximate)
    request = resolve(index, config)
    links = NoteLinks(request.documents, request.links, config.top) if config.html else None
    answers = []
    for query, suggestions in compute(index, request, config):
        if links:
            links.add(_note(query, request), query.page, suggestions)
        if config.has_query:
            answers.append(suggestions)
    if request.warning:
        logger.warning("%s; see the report.html of %s", request.warning.english(), request.judged)
    if links:
        write_html(index, request, links, config)
    text = render(index, request, merge(answers, request, config), config) if config.has_query else ""
    return Answer(text, request.warning, request.note)


def resolve(index: Index, config: SuggestConfig) -> Request:
    """Finds the pages, links and models that the options name.

    Raises:
        InputError: one of them cannot be used.
    """
    reranker = _reranker(index, config)
    links = _links(index, config)
    documents = Documents(index.origin.group_pattern)
    least = config.min_probability
    if least is None:
        least = index.origin.threshold if config.format in LINKS else 0.0
    judged = reranker or index.origin.run
    return Request(
        make_queries(index.store.pages, documents, config),
        links,
        documents,
        least,
        Scorer(reranker) if reranker else None,
        judged,
        unbeaten_warning(judged),
        index.origin.note,
    )


def _reranker(index: Index, config: SuggestConfig) -> str | None:
    """Returns the run that scores the best pages again; ``None`` if none is to.

    Raises:
        InputError: the options name none, and the index's run has nothing to add.
    """
    if not config.rerank:
        return None
    if config.reranker:
        return config.reranker
    run = index.origin.run
    if not reranks_itself(run):
        raise InputError(
            "--reranker is missing; give the folder of a run that sorts the best --rerank pages: one with a partner, "
            "as --recipe best makes it"
        )
    return run


def unbeaten_warning(run: str | None) -> Message | None:
    """Warns of a run that is no better than simple baselines; a SavedModel has no figures to tell."""
    unbeaten = unbeaten_baselines(run) if run else []
    return Message("unbeaten", {"baselines": unbeaten}) if unbeaten else None


def compute(index: Index, request: Request, config: SuggestConfig) -> Iterator[tuple[Query, list[Suggestion]]]:
    """Yields each query and its pages that are probable enough, without those that are not to be suggested."""
    queries, pages = request.queries, index.store.pages
    skips = make_skips(queries, pages, request.documents, request.links, config)
    top = PAGES_FOR_LINKS if config.format in LINKS else config.top
    if config.html:
        top = max(top, PAGES_FOR_NOTES) + (0 if queries[0].of_note else _other_pages(queries[0], pages, request))
    each = index.suggest_each([query.texts for query in queries], top, skips, config.rerank, request.reranker)
    for position, found in Ticker("ranking pages", len(queries)).watch(each):
        # Scores of different queries are compared with each other, but not those of different models.
        comparable = found[: config.rerank] if request.reranker and len(queries) > 1 else found
        yield queries[position], [suggestion for suggestion in comparable if suggestion.score >= request.least]


def merge(answers: Iterable[Sequence[Suggestion]], request: Request, config: SuggestConfig) -> list[Suggestion]:
    """Returns one list for all queries, the best first; for links only the best page of each document."""
    return best_of(list(answers), request.documents if config.format in LINKS else str, config.top)


def best_of(answers: Sequence[Sequence[Suggestion]], group: Callable[[str], str], top: int) -> list[Suggestion]:
    """Returns one list for several answers, the best first; of each group of titles only the best page.

    Args:
        answers: each the best first; their scores are compared with each other.
        group: maps a page's title to its group.
        top: number of suggestions.
    """
    found = list(itertools.chain.from_iterable(answers))
    if len(answers) > 1:
        found.sort(key=lambda suggestion: -suggestion.score)
    best: dict[str, Suggestion] = {}
    for suggestion in found:
        best.setdefault(group(suggestion.title), suggestion)
    return list(best.values())[:top]


def render(index: Index, request: Request, best: Sequence[Suggestion], config: SuggestConfig) -> str:
    """Returns the suggestions as text."""
    if not best and request.least:
        logger.warning("no page is probable enough (--min_probability %.3g)", request.least)
    if config.format in FORMATS:
        return FORMATS[config.format](best)
    return LINKS[config.format](best, request.documents, request.queries[-1].page or None, _files(index))


def write_html(index: Index, request: Request, links: NoteLinks, config: SuggestConfig) -> None:
    """Writes the suggestions page."""
    texts, first = dict(index.store.pages), dict[str, str]()
    for query in request.queries:
        note = _note(query, request)
        first.setdefault(note, query.page or note)
        if not query.titles:
            texts[note] = query.texts[-1]
    likely = likely_from(index.origin.threshold) if index.origin.is_probability else None
    notes, files = links.notes(first, likely), _files(index)
    data = page_data(index, notes, texts, request.documents, files, not request.reranker, request.warning)
    if config.has_query:
        data = dataclasses.replace(data, whole=False)
    write_blocks(str(config.html), static_page(data))
    say(f"suggestions for {len(request.queries):,} pages written to {config.html}")


def _note(query: Query, request: Request) -> str:
    """Returns the note of a query; of a text that is no page, its beginning."""
    return request.documents(query.page) if query.page else f"「{shortened(one_line(query.texts[-1]), LONGEST_NAME)}」"


def _other_pages(query: Query, pages: Iterable[str], request: Request) -> int:
    """Returns the number of pages of the query's note; the HTML page does not suggest them."""
    note = _note(query, request)
    return sum(request.documents(page) == note for page in pages)


def _files(index: Index) -> dict[str, str]:
    about = index.store.about.get("files", {})
    return checked(dict[str, str], about, str(index.store.path), "build the index again")


def _links(index: Index, config: SuggestConfig) -> set[tuple[str, str]]:
    """Returns the pairs (a, b) of ``--negaposi`` where B comes next, or else of the file that the run was trained on.

    Raises:
        InputError: the run's file no longer exists, and ``--skip_linked`` needs it.
    """
    if config.negaposi:
        return read_links(config.negaposi)
    trained_on = index.origin.negaposi
    if trained_on is None and config.skip_linked:
        raise InputError("--skip_linked: the index was made without labelled pairs; give the known pairs as --negaposi")
    if trained_on is None:
        return set()
    if exists(trained_on):
        return read_links(trained_on)
    if config.skip_linked:
        raise InputError(f"--skip_linked: {trained_on}: file not found; give the pairs as --negaposi")
    if config.html or config.format in LINKS:
        logger.warning("%s: file not found, so that no link is known; give the pairs as --negaposi", trained_on)
    return set()

"""Suggests pages of an index: resolves the request, ranks, filters, and renders the answer as text and as HTML."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, write_text
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.schema import checked
from keras_negaposi.config import SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import read_links
from keras_negaposi.data.texts import check_text
from keras_negaposi.evaluation.baseline_comparison import unbeaten_baselines
from keras_negaposi.retrieval.html_page import render_page
from keras_negaposi.retrieval.link_formats import LINKS
from keras_negaposi.retrieval.search import Index, Suggestion
from keras_negaposi.retrieval.text_formats import FORMATS
from keras_negaposi.serving.scorer import Scorer

logger = logging.getLogger(__name__)

PAGES_FOR_LINKS = 1000
"""Pages that are ranked to find enough different documents for links."""


@dataclasses.dataclass(frozen=True)
class Query:
    """What pages are suggested for.

    Attributes:
        name: the last page's title, or the text itself if it is not a page.
        titles: of the pages; the others are context of the last one. Empty for a text that is not a page.
        texts: of the pages, or the text.
    """

    name: str
    titles: tuple[str, ...]
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Request:
    """The options, with everything that they name found and loaded.

    Attributes:
        queries: one, or one for each page of the index.
        links: (a, b) where B is known to come next after A.
        documents: finds the document in a title.
        least: pages that are less probable are not suggested.
        reranker: sorts the best pages; ``None`` if they stay in the index's order.
        warning: why the suggestions may be of little use; empty if nothing is known against them.
        note: how pages are ranked without a run; empty for a run.
    """

    queries: list[Query]
    links: set[tuple[str, str]]
    documents: Documents
    least: float
    reranker: Scorer | None
    warning: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The suggestions as text, empty if they are for all pages, and `Request.warning` and `Request.note`."""

    text: str
    warning: str
    note: str


def suggest(path: str, config: SuggestConfig) -> Answer:
    """Suggests pages for ``--title`` or ``--text``; writes the file of ``--html``.

    Raises:
        InputError: the index, its model, a title or the text cannot be used.
    """
    index = Index(path, config.run, config.approximate)
    request = resolve(index, config)
    ranked = compute(index, request, config)
    kept = {position: filter_ranked(suggestions, request, config) for position, suggestions in ranked}
    if request.warning:
        logger.warning("%s", request.warning)
    text = render(index, request, [kept[position] for position in sorted(kept)], config)
    return Answer(text, request.warning, request.note)


def resolve(index: Index, config: SuggestConfig) -> Request:
    """Finds the pages, links and models that the options name.

    Raises:
        InputError: one of them cannot be used.
    """
    reranker = Scorer(config.reranker) if config.rerank and config.reranker else None
    links = _links(index, config)
    documents = Documents(index.origin.group_pattern)
    least = config.min_probability
    if least is None:
        least = index.origin.threshold if config.format in LINKS else 0.0
    judged = (config.rerank and config.reranker) or index.origin.run
    warning = _warning(judged) if judged else ""
    return Request(_queries(index, config), links, documents, least, reranker, warning, index.origin.note)


def _warning(run: str) -> str:
    """Warns of a run that is no better than simple baselines; a SavedModel has no figures to tell."""
    unbeaten = unbeaten_baselines(run)
    if not unbeaten:
        return ""
    return (
        f"the run {run} did not significantly beat {', '.join(unbeaten)} on its test pairs, so its suggestions may be "
        "no better than those of an index without a run; see its report.html"
    )


def compute(index: Index, request: Request, config: SuggestConfig) -> Iterator[tuple[int, list[Suggestion]]]:
    """Yields the position of each query and its most probable pages, without those that are not to be suggested."""
    linked: dict[str, set[str]] = defaultdict(set)
    if config.skip_linked:
        for a, b in request.links:
            linked[a].add(b)

    def skipped(query: Query) -> set[str]:
        if config.format in LINKS:
            return {*query.titles} | _pages_of_linked_documents(query.titles[-1:], index.store.pages, request)
        return {*query.titles}.union(*(linked.get(title, ()) for title in query.titles[-1:]))

    texts, skips = [query.texts for query in request.queries], [skipped(query) for query in request.queries]
    top = PAGES_FOR_LINKS if config.format in LINKS else config.top
    each = index.suggest_each(texts, top, skips, config.rerank, request.reranker)
    return Ticker("ranking pages", len(texts)).watch(each)


def filter_ranked(suggestions: Sequence[Suggestion], request: Request, config: SuggestConfig) -> list[Suggestion]:
    """Returns the suggestions that are probable enough; for links only the best page of each document."""
    probable = [suggestion for suggestion in suggestions if suggestion.score >= request.least]
    if config.format not in LINKS:
        return probable
    best: dict[str, Suggestion] = {}
    for suggestion in probable:
        best.setdefault(request.documents(suggestion.title), suggestion)
    return list(best.values())[: config.top]


def render(index: Index, request: Request, kept: Sequence[Sequence[Suggestion]], config: SuggestConfig) -> str:
    """Writes the HTML page, if there is to be one, and returns the suggestions as text; nothing for all pages."""
    queries = request.queries
    if config.html:
        texts = index.store.pages | {query.name: "\n".join(query.texts) for query in queries}
        suggested = {query.name: suggestions for query, suggestions in zip(queries, kept, strict=True)}
        write_text(config.html, render_page(texts, suggested, request.links, request.warning, request.note))
        say(f"suggestions for {len(suggested):,} pages written to {config.html}")
    if config.title is None and config.text is None:
        return ""
    (query,), (best,) = queries, kept
    if not best and request.least:
        logger.warning("no page is probable enough (--min_probability %.3g)", request.least)
    if config.format in FORMATS:
        return FORMATS[config.format](best)
    about = index.store.about.get("files", {})
    files = checked(dict[str, str], about, str(index.store.path), "build the index again")
    return LINKS[config.format](best, request.documents, query.titles[-1] if query.titles else None, files)


def _queries(index: Index, config: SuggestConfig) -> list[Query]:
    """Returns the query of ``--text`` or ``--title``, or one for each page of the index if neither is given."""
    if config.text is not None:
        check_text(config.text, "--text")
        return [Query(config.text, (), (config.text,))]
    if config.title:
        titles = tuple(index.title(title) for title in config.title)
        return [Query(titles[-1], titles, tuple(index.text(title) for title in titles))]
    return [Query(title, (title,), (text,)) for title, text in index.store.pages.items()]


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


def _pages_of_linked_documents(titles: Sequence[str], pages: Iterable[str], request: Request) -> set[str]:
    """Returns the pages of A's own document, and of every document to which one of its pages is known to link."""
    documents = request.documents
    own = {documents(title) for title in titles}
    linked = own | {documents(b) for a, b in request.links if documents(a) in own}
    return {page for page in pages if documents(page) in linked}

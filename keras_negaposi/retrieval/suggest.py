"""Suggestions as text for a terminal or a program, and as a page for a person."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, write_text
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.schema import checked
from keras_negaposi.config import SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import read_links
from keras_negaposi.data.texts import check_text
from keras_negaposi.retrieval.html_page import render_page
from keras_negaposi.retrieval.link_formats import ALL, LINKS, first_of_documents, linked_pages, one_line
from keras_negaposi.retrieval.search import Index, Suggestion
from keras_negaposi.serving.scorer import Scorer

logger = logging.getLogger(__name__)

EXCERPT = 60
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What JSON allows as it is, but breaks a line or cannot be written."""


def suggest(path: str, config: SuggestConfig) -> str:
    """Ranks for the page or text that is named and gives the answer as text; writes ``--html`` if it is wanted.

    Raises:
        InputError: the index, its model, the title or the text cannot be used.
    """
    index = Index(path, config.run, config.approximate)
    reranker = Scorer(config.reranker) if config.rerank else None
    links = _links(index, config)
    to_paste = config.format in LINKS
    documents = Documents(str(index.scorer.config["group_pattern"]))

    linked: dict[str, set[str]] = {}
    for a, b in links if config.skip_linked or to_paste else ():
        linked.setdefault(a, set()).add(b)

    def skipped(titles: Sequence[str]) -> set[str]:
        skip = {*titles, *(b for title in titles[-1:] for b in linked.get(title, ()))}
        return skip | linked_pages(titles[-1:], index.store.pages, links, documents) if to_paste else skip

    def kept(found: list[Suggestion]) -> list[Suggestion]:
        found = [suggestion for suggestion in found if suggestion.score >= least]
        return first_of_documents(found, documents)[: config.top] if to_paste else found

    least = config.min_probability
    if least is None:
        least = index.scorer.threshold if to_paste else 0.0
    if config.text is not None:
        check_text(config.text, "--text")
        titles, queries = [[]], {config.text: [config.text]}
    else:
        titles = [list(map(index.title, config.title))] if config.title else [[title] for title in index.store.pages]
        queries = {led[-1]: list(map(index.text, led)) for led in titles}
    top = config.top if not to_paste else ALL
    each = index.suggest_each(list(queries.values()), top, list(map(skipped, titles)), config.rerank, reranker)
    ranked = {i: kept(best) for i, best in Ticker("ranking for", len(queries)).watch(each)}
    found = {name: ranked[i] for i, name in enumerate(queries)}
    if config.html:
        texts = index.store.pages | {name: "\n".join(query) for name, query in queries.items()}
        write_text(config.html, render_page(texts, found, links))
        say(f"suggestions for {len(found):,} pages in {config.html}")
    if config.title is None and config.text is None:  # all pages: they are in the file
        return ""
    (best,) = found.values()
    if not best and least:
        logger.warning("no page is likely enough (--min_probability %.3g)", least)
    if to_paste:
        files = checked(dict[str, str], index.store.about.get("files", {}), path, "make the index again")
        return LINKS[config.format](best, documents, titles[0][-1] if config.title else None, files)
    return FORMATS[config.format](best)


def as_table(suggestions: Sequence[Suggestion]) -> str:
    """One line a page, its text cut."""
    return "\n".join(f"{s.score:.3f}  {one_line(s.title)}  {one_line(s.text)[:EXCERPT]}" for s in suggestions)


def as_tsv(suggestions: Sequence[Suggestion]) -> str:
    """Probability, title and text, tab-separated."""
    return "\n".join(f"{s.score:.6f}\t{one_line(s.title)}\t{one_line(s.text)}" for s in suggestions)


def as_json(suggestions: Sequence[Suggestion]) -> str:
    """A list of objects."""
    rows = [{"title": s.title, "score": round(s.score, 6), "text": s.text} for s in suggestions]
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


FORMATS = {"table": as_table, "tsv": as_tsv, "json": as_json}


def _links(index: Index, config: SuggestConfig) -> set[tuple[str, str]]:
    """Pairs known to follow each other: of the file given, or of the one that the model was trained on."""
    if config.negaposi:
        return read_links(config.negaposi)
    trained_on = index.scorer.config.get("negaposi")
    if trained_on and exists(trained_on):
        return read_links(trained_on)
    if config.skip_linked:
        raise InputError(f"--skip_linked: {trained_on}: no such file any more; give the pairs as --negaposi")
    if config.html or config.format in LINKS:
        logger.warning("%s: no such file any more, so no link is known; give the pairs as --negaposi", trained_on)
    return set()

"""Suggestions as text for a terminal or a program, and as a page for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import exists, write_text
from checkpoints_tools.options import say
from keras_negaposi.config import SuggestConfig
from keras_negaposi.indexing.page import render_page
from keras_negaposi.indexing.search import Index, Suggestion
from keras_negaposi.labelled import check_text, read_pairs
from keras_negaposi.progress import Ticker
from keras_negaposi.scorer import Scorer

EXCERPT = 60


def suggest(path: str, config: SuggestConfig) -> str:
    """Ranks for the page or text that is named and gives the answer as text; writes ``--html`` if it is wanted.

    Raises:
        InputError: the index, its model, the title or the text cannot be used.
    """
    index = Index(path, config.run, config.approximate)
    reranker = Scorer(config.reranker) if config.rerank else None

    def suggestions(text: str, skip: Sequence[str] = ()) -> list[Suggestion]:
        return index.suggest(text, config.top, skip, config.rerank, reranker)

    if config.text is not None:
        check_text(config.text, "--text")
        found = {config.text: suggestions(config.text)}
        pages = {config.text: config.text}
    else:
        titles = [config.title] if config.title is not None else list(index.store.pages)
        pages = {title: index.text(title) for title in titles}
        ticker = Ticker("ranking for", len(pages))
        found = {title: suggestions(text, [title]) for title, text in ticker.watch(pages.items())}
    if config.html:
        write_text(config.html, render_page(index.store.pages | pages, found, _links(index, config)))
        say(f"suggestions for {len(found):,} pages in {config.html}")
    if config.title is None and config.text is None:  # all pages: they are in the file
        return ""
    return FORMATS[config.format](next(iter(found.values())))


def as_table(suggestions: Sequence[Suggestion]) -> str:
    """One line a page, its text cut."""
    return "\n".join(f"{s.score:.3f}  {_one_line(s.title)}  {_one_line(s.text)[:EXCERPT]}" for s in suggestions)


def as_tsv(suggestions: Sequence[Suggestion]) -> str:
    """Probability, title and text, tab-separated."""
    return "\n".join(f"{s.score:.6f}\t{_one_line(s.title)}\t{_one_line(s.text)}" for s in suggestions)


def as_json(suggestions: Sequence[Suggestion]) -> str:
    """A list of objects."""
    rows = [{"title": s.title, "score": round(s.score, 6), "text": s.text} for s in suggestions]
    return json.dumps(rows, ensure_ascii=False, indent=1)


FORMATS = {"table": as_table, "tsv": as_tsv, "json": as_json}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _links(index: Index, config: SuggestConfig) -> set[tuple[str, str]]:
    """Pairs known to follow each other: of the file given, or of the one that the model was trained on."""
    saved = index.scorer.config
    negaposi, honbun = config.negaposi or saved.get("negaposi"), config.honbun or saved.get("honbun")
    if not negaposi or not exists(negaposi) or not exists(honbun):
        if config.negaposi:
            raise InputError(f"--negaposi {config.negaposi}: no such file, or its --honbun is not there")
        return set()
    return {(pair.a, pair.b) for pair in read_pairs(honbun, negaposi).pairs if pair.label == 1}

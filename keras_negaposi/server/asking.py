"""What HTTP and MCP clients ask for, and the messages that they get."""

from __future__ import annotations

import asyncio

from keras_negaposi.data.documents import Documents
from keras_negaposi.retrieval.link_formats import scrapbox_link
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggest import best_of
from keras_negaposi.retrieval.titles import find_page, no_such_title, pages_of
from keras_negaposi.server.answering import Question
from keras_negaposi.server.messages import FoundPage, PagesAnswer, SuggestAnswer, Suggested, SuggestRequest
from keras_negaposi.server.requests import MOST_NOTE_PAGES, RequestError
from keras_negaposi.server.service import Service


async def suggest(service: Service, asked: SuggestRequest) -> SuggestAnswer:
    """Suggests pages for a text, a page, or the pages of a note together.

    Raises:
        RequestError: a title is unknown, or the request cannot be answered in time.
    """
    index = service.opened.index
    note_of = Documents(index.origin.group_pattern)
    questions = await asyncio.to_thread(_questions, service, index, asked)
    answers = await asyncio.gather(*(service.suggest(question, asked.rerank) for question in questions))
    if asked.rerank and len(answers) > 1:
        answers = [found[: asked.rerank] for found in answers]  # scores of different models are not compared
    suggestions = [
        Suggested(
            title=found.title,
            note=note_of(found.title),
            text=found.text,
            score=found.score,
            scrapbox=scrapbox_link(note_of(found.title)),
        )
        for found in best_of(answers, note_of if asked.one_per_note else str, asked.top)
    ]
    return SuggestAnswer(
        suggestions=suggestions, probabilities=service.has_probabilities, threshold=index.origin.threshold
    )


def find_pages(service: Service, words: str, start: int, count: int) -> PagesAnswer:
    """Returns pages that contain all words, and their number."""
    total, found = service.find(words, start, count)
    return PagesAnswer(total=total, pages=[FoundPage(title=title, text=text) for title, text in found])


def read_pages(service: Service, title: str) -> PagesAnswer:
    """Returns a page, or the first `MOST_NOTE_PAGES` pages of a note and their number.

    Raises:
        RequestError: the title is unknown.
    """
    index = service.opened.index
    titles, texts = _pages(index, title), index.store.pages
    pages = [FoundPage(title=page, text=texts[page]) for page in titles[:MOST_NOTE_PAGES]]
    return PagesAnswer(total=len(titles), pages=pages)


def _questions(service: Service, index: Index, asked: SuggestRequest) -> list[Question]:
    """Returns one question, or one for each page of a note, whose other pages are then not suggested.

    As in `retrieval.queries.make_queries`, a note's title next to other titles means its pages in order.
    """
    context = [page for name in asked.context for page in _pages(index, name)]
    of_title = _pages(index, asked.title) if asked.title is not None else ()
    if len(context) + len(of_title) > MOST_NOTE_PAGES:
        raise RequestError(422, f"title: more than {MOST_NOTE_PAGES} pages; give the titles of single pages")
    decided = frozenset(b for a in of_title for b in service.log.decided(a)) if asked.hide_decided else frozenset()
    if asked.title is None or context or find_page(asked.title, index.store.pages) is not None:
        return [Question(asked.text or "", (*context, *of_title), asked.top, decided, asked.one_per_note)]
    return [Question("", (page,), asked.top, decided.union(of_title), asked.one_per_note) for page in of_title]


def _pages(index: Index, name: str) -> tuple[str, ...]:
    """Returns the page or the pages of the note of this title; raises a `RequestError` with similar ones if none is."""
    documents = Documents(index.origin.group_pattern)
    found = pages_of(name, index.store.pages, documents)
    if not found:
        raise RequestError(404, no_such_title(name, index.store.pages, documents))
    return found

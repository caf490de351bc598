"""Answers many questions for suggestions at once, with the index that is open now."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

from keras_negaposi.data.documents import Documents
from keras_negaposi.data.texts import text_key
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggestions import Suggestion
from keras_negaposi.retrieval.titles import find_page, no_such_title
from keras_negaposi.server.live_index import LiveIndex, Opened
from keras_negaposi.server.measures import Measures
from keras_negaposi.server.requests import RequestError

PAGES_PER_NOTE = 5
"""Times as many pages are ranked where only the best page of each note is wanted."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What pages are wanted; equal questions have equal answers while the index is the same.

    Attributes:
        text: A, if it is no page of the index; empty otherwise.
        titles: of pages; the last one is A unless there is a text, and the others are context.
        top: number of suggestions.
        skip: titles that are not suggested.
        one_per_note: whether only the best page of each note is suggested, and none of A's own note.
    """

    text: str
    titles: tuple[str, ...]
    top: int
    skip: frozenset[str] = frozenset()
    one_per_note: bool = False

    @property
    def wanted(self) -> int:
        """Number of pages to rank."""
        return self.top * PAGES_PER_NOTE if self.one_per_note else self.top


@dataclasses.dataclass(frozen=True)
class Suggested:
    """An answer, and the text of A that it was made for."""

    suggestions: list[Suggestion]
    text: str
    opened: Opened


class Answering:
    """Answers questions for suggestions.

    Args:
        live: the index.
        measures: what is counted.
    """

    def __init__(self, live: LiveIndex, measures: Measures) -> None:
        self._live, self._measures = live, measures

    def suggest(self, questions: Sequence[Question]) -> list[Suggested | RequestError]:
        """Answers questions, those of one kind together; an error takes the place of an answer."""
        opened = self._live.now
        self._measures.batch.observe(len(questions))
        answers: dict[Question, Suggested | RequestError] = {}
        kinds: dict[int, list[tuple[Question, tuple[str, ...]]]] = defaultdict(list)
        for question in dict.fromkeys(questions):
            if kept := opened.answers.get(question):
                self._measures.kept.inc()
                answers[question] = kept
                continue
            try:
                kinds[question.wanted].append((question, _texts(opened.index, question)))
            except RequestError as error:
                answers[question] = error
        for wanted, asked in kinds.items():
            answers |= _ranked(opened, wanted, asked)
        for question, answer in answers.items():
            if isinstance(answer, Suggested):
                opened.answers.keep(question, answer)
        return [answers[question] for question in questions]


def _texts(index: Index, question: Question) -> tuple[str, ...]:
    """Returns the texts of a question; raises a `RequestError` if a title is unknown."""
    titles = [page_title(index, title) for title in question.titles]
    texts = [index.store.pages[title] for title in titles]
    return (*texts, question.text) if question.text else tuple(texts)


def page_title(index: Index, title: str) -> str:
    """Returns the title of a page in the index's own spelling.

    Raises:
        RequestError: there is no such page; the line offers similar ones.
    """
    found = find_page(title, index.store.pages)
    if found is None:
        raise RequestError(404, no_such_title(title, index.store.pages, Documents(index.origin.group_pattern)))
    return found


def _ranked(
    opened: Opened, wanted: int, asked: Sequence[tuple[Question, tuple[str, ...]]]
) -> dict[Question, Suggested | RequestError]:
    index = opened.index
    texts = [texts for _, texts in asked]
    skips = [question.skip | _own_titles(index, of_question) for question, of_question in asked]
    answers: dict[Question, Suggested | RequestError] = {}
    for place, found in index.suggest_each(texts, wanted, skips):
        question = asked[place][0]
        if question.one_per_note:
            found = _one_per_note(found, question, Documents(index.origin.group_pattern))
        answers[question] = Suggested(found[: question.top], texts[place][-1], opened)
    return answers


def _own_titles(index: Index, texts: Sequence[str]) -> frozenset[str]:
    return frozenset(title for text in texts for title in index.titles_of(text_key(text)))


def _one_per_note(found: Sequence[Suggestion], question: Question, note_of: Documents) -> list[Suggestion]:
    own = {note_of(title) for title in question.titles}
    best: dict[str, Suggestion] = {}
    for suggestion in found:
        best.setdefault(note_of(suggestion.title), suggestion)
    return [suggestion for note, suggestion in best.items() if note not in own]

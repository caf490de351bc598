"""Turns suggested pages into links between notes, for the suggestions page: the best pair of pages of two notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from keras_negaposi.data.documents import Documents
from keras_negaposi.links_page.message import Message
from keras_negaposi.links_page.page_data import Link, Note, PageData
from keras_negaposi.retrieval.link_formats import scrapbox_link
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggestions import Suggestion
from keras_negaposi.serving.hybrid import logits_of

PARTS = ("lexical", "model", "base")
PAIRS_AT_ONCE = 2000
LINKS_MATCHED = 200
"""Most certain new links of which a page in a file holds the matched tokens; each takes two calls of the encoder."""


class NoteLinks:
    """Collects the best links of each note while pages are ranked; holds no more than these.

    Args:
        documents: finds the note in a page's title.
        known: (a, b) where B is known to come next after A; notes with such pages are linked, in either direction.
        top: most links of a note to notes that are not linked to it.
    """

    def __init__(self, documents: Documents, known: set[tuple[str, str]], top: int) -> None:
        self._documents, self._top = documents, top
        self._known = {(documents(a), documents(b)) for a, b in known}
        self._new: dict[str, dict[str, Link]] = {}
        self._linked: dict[str, dict[str, Link]] = {}

    def add(self, note: str, page: str, suggestions: Sequence[Suggestion]) -> None:
        """Adds what is suggested for a page of a note; ``page`` is empty if A is not a page."""
        for suggestion in suggestions:
            other = self._documents(suggestion.title)
            if other == note:
                continue
            linked = (note, other) in self._known or (other, note) in self._known
            best = (self._linked if linked else self._new).setdefault(note, {})
            if other not in best or suggestion.score > best[other].score:
                best[other] = Link(page, suggestion.title, float(suggestion.score), linked, suggestion.parts)
        self._new[note] = _best(self._new.get(note, {}), self._top)

    def notes(self, pages: Mapping[str, str], likely: float | None) -> list[Note]:
        """Returns the notes that were asked for.

        Args:
            pages: title of the first page of each of these notes.
            likely: probability from which on a suggestion counts as a link to a note; ``None`` if any does.
        """
        reached = {b for a, b in self._known if a != b}
        links = {note: self._new.get(note, {}) | self._linked.get(note, {}) for note in pages}
        for of_note in links.values():
            reached |= {other for other, link in of_note.items() if likely is None or link.score >= likely}
        return [
            Note(note, pages[note], tuple(_best(links[note], len(links[note])).values()), note not in reached)
            for note in pages
        ]


def _best(links: Mapping[str, Link], count: int) -> dict[str, Link]:
    return dict(sorted(links.items(), key=lambda item: -item[1].score)[:count])


def page_data(
    index: Index,
    notes: Sequence[Note],
    texts: Mapping[str, str],
    documents: Documents,
    files: Mapping[str, str],
    with_reasons: bool = True,
    warning: Message | None = None,
) -> PageData:
    """Returns what the suggestions page shows.

    Args:
        index: of the pages.
        notes: with their links.
        texts: by title.
        documents: finds the note in a page's title.
        files: notes whose file is not ``name.md``, with their file.
        with_reasons: whether to compute what the parts of a score contribute, where a link does not have it, and
            matched tokens; not if a reranker gave the scores.
        warning: why the suggestions may be of little use.
    """
    titles = {title for note in notes for link in note.links for title in (link.a or note.page, link.b)}
    titles |= {note.page for note in notes}
    names = {documents(title) for title in titles}
    scrapbox = {name: link for name in names if (link := scrapbox_link(name)) != f"[{name}]"}
    return PageData(
        _with_matches(index, _with_parts(index, notes, texts), texts) if with_reasons else notes,
        texts,
        {title: documents(title) for title in titles},
        index.origin.threshold if index.origin.is_probability else None,
        PARTS if index.origin.weights else (),
        warning,
        index.origin.note,
        index.origin.group_pattern,
        scrapbox,
        {name: files[name] for name in names if name in files},
        matches=index.has_matched_tokens,
    )


def _with_matches(index: Index, notes: Sequence[Note], texts: Mapping[str, str]) -> Sequence[Note]:
    """Adds the matched tokens to the best `LINKS_MATCHED` new links, if the head compares tokens."""
    if not index.has_matched_tokens:
        return notes
    new = sorted((link for note in notes for link in note.links if not link.linked), key=lambda link: -link.score)
    chosen = {id(link) for link in new[:LINKS_MATCHED]}

    def matched(note: Note, link: Link) -> Link:
        if id(link) not in chosen:
            return link
        found = index.matched_tokens(texts[link.a or note.page], texts[link.b])
        return dataclasses.replace(link, matches=tuple((match.a, match.b) for match in found))

    return [dataclasses.replace(note, links=tuple(matched(note, link) for link in note.links)) for note in notes]


def _with_parts(index: Index, notes: Sequence[Note], texts: Mapping[str, str]) -> list[Note]:
    """Adds to each link that does not have them what the parts of its score contribute."""
    links = [(link, texts[link.a or note.page], texts[link.b]) for note in notes for link in note.links]
    missing = [(a, b, link.score) for link, a, b in links if not link.parts]
    found = iter(parts_of(index, missing))
    return [
        dataclasses.replace(
            note,
            links=tuple(link if link.parts else dataclasses.replace(link, parts=next(found)) for link in note.links),
        )
        for note in notes
    ]


def parts_of(index: Index, scored: Sequence[tuple[str, str, float]]) -> list[tuple[float, ...]]:
    """Returns what each of the `PARTS` contributes to the logits of scores; nothing if a score has one part alone.

    Args:
        index: of the pages.
        scored: text of A, text of B, and the index's score.
    """
    weights, lexical = index.origin.weights, index.origin.lexical
    if weights is None or lexical is None:
        return [()] * len(scored)
    parts: list[tuple[float, ...]] = []
    for start in range(0, len(scored), PAIRS_AT_ONCE):
        a, b, scores = zip(*scored[start : start + PAIRS_AT_ONCE], strict=True)
        ours = weights.lexical * lexical.model.logits_of_texts(a, b)
        # The score's logit is the sum of the parts, so that the model's part is what the others leave.
        models = logits_of(np.array(scores)) - ours - weights.bias
        parts += [(float(one), float(other), weights.bias) for one, other in zip(ours, models, strict=True)]
    return parts

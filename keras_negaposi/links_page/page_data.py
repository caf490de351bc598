"""What the suggestions page shows, and the JSON that its JavaScript reads: a manifest, and chunks of some notes each.

Notes come in the order of the first view, so that the page can be painted when its first chunk is there. A chunk holds
the texts that no earlier one holds; texts that are not shown are in none. The README describes both files.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from keras_negaposi.links_page.message import Message

NOTES_PER_CHUNK = 100
LIKELY = 0.9
"""A link is called likely from this probability on, or from the threshold if that is higher."""
FORMAT = 2
"""Of manifest and chunks."""


@dataclasses.dataclass(frozen=True)
class Link:
    """A suggested link between two notes.

    Attributes:
        a: title of A's page, empty if A is not a page of the index.
        b: title of B's page.
        score: of the pair.
        linked: whether the two notes are linked already.
        parts: contributions to the score's logit, in the order of `PageData.parts`; empty if they are not known.
        matches: tokens of A (perhaps empty) and of B that the model has matched, the strongest first.
    """

    a: str
    b: str
    score: float
    linked: bool = False
    parts: tuple[float, ...] = ()
    matches: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Note:
    """A note and its links to other notes.

    Attributes:
        title: of the note.
        page: title of the page that is shown where the note has no link.
        links: the best first, one for each other note.
        alone: whether no known link and no likely suggestion leads to the note.
    """

    title: str
    page: str
    links: tuple[Link, ...]
    alone: bool = False


@dataclasses.dataclass(frozen=True)
class PageData:
    """Everything that the page shows.

    Attributes:
        notes: in any order.
        texts: by title, of the pages that the notes and links name.
        note_of: by title of a page, its note; a page that is missing is a note of its own.
        threshold: B is predicted to come next from this probability on; ``None`` if scores are no probabilities.
        parts: names of the parts of a score, see `Link.parts`.
        warning: shown at the top, if there is one.
        note: the same.
        group_pattern: finds the note in the title of a page that is not among ``texts``.
        scrapbox: by note, its link in Scrapbox, if that is not ``[title]``.
        files: by note, its file, if that is not ``title.md``.
        whole: whether these are all notes of the wiki, so that `Note.alone` says something.
        matches: whether the model matches tokens, so that the page asks its source for them.
    """

    notes: Sequence[Note]
    texts: Mapping[str, str]
    note_of: Mapping[str, str] = dataclasses.field(default_factory=dict)
    threshold: float | None = None
    parts: tuple[str, ...] = ()
    warning: Message | None = None
    note: Message | None = None
    group_pattern: str = ""
    scrapbox: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    whole: bool = True
    matches: bool = False

    @property
    def likely(self) -> float | None:
        """The probability from which on a link is called likely; ``None`` if scores are no probabilities."""
        return None if self.threshold is None else likely_from(self.threshold)


def likely_from(threshold: float) -> float:
    """Returns the probability from which on a link is called likely."""
    return max(LIKELY, threshold)


def data_files(data: PageData) -> dict[str, bytes]:
    """Returns the files that the page's JavaScript asks a server for, by name."""
    chunks = {f"chunk-{number}.json": chunk.encode() for number, chunk in enumerate(chunks_json(data))}
    return {"manifest.json": manifest_json(data).encode(), **chunks}


def manifest_json(data: PageData) -> str:
    """Returns what the page has to know before it shows a note."""
    return _json(
        {
            "format": FORMAT,
            "notes": len(data.notes),
            "whole": data.whole,
            "matches": data.matches,
            "chunks": math.ceil(len(data.notes) / NOTES_PER_CHUNK),
            "threshold": data.threshold,
            "likely": data.likely,
            "parts": data.parts,
            "warning": data.warning and data.warning.to_json(),
            "note": data.note and data.note.to_json(),
            "group_pattern": data.group_pattern,
            "scrapbox": dict(data.scrapbox),
            "files": dict(data.files),
        }
    )


def chunks_json(data: PageData) -> Iterator[str]:
    """Yields the chunks: the notes with the most certain new links come first."""
    weaker = _weaker_directions(data)

    def most_certain(note: Note) -> float:
        scores = [link.score for link in note.links if not link.linked and (link.a, link.b) not in weaker]
        return -max(scores, default=-math.inf)

    notes = sorted(data.notes, key=most_certain)
    numbers: dict[str, int] = {}
    for start in range(0, len(notes), NOTES_PER_CHUNK):
        known = len(numbers)
        rows = []
        for note in notes[start : start + NOTES_PER_CHUNK]:
            links = [
                [
                    numbers.setdefault(link.a or note.page, len(numbers)),
                    numbers.setdefault(link.b, len(numbers)),
                    round(link.score, 4),
                    link.linked + 2 * ((link.a, link.b) in weaker) + 4 * (not link.a),
                    *(round(part, 2) for part in link.parts),
                    *([link.matches] if link.matches else []),
                ]
                for link in note.links
            ]
            rows.append([note.title, numbers.setdefault(note.page, len(numbers)), int(note.alone), links])
        pages = [[title, data.texts[title], data.note_of.get(title, title)] for title in list(numbers)[known:]]
        yield _json({"pages": pages, "notes": rows})


def _weaker_directions(data: PageData) -> set[tuple[str, str]]:
    """Returns the links whose other direction, from B's note to A's, is suggested as well and is more certain."""
    best: dict[frozenset[str], tuple[float, tuple[str, str]]] = {}
    weaker = set()
    for note in data.notes:
        for link in note.links:
            pair = frozenset((note.title, data.note_of.get(link.b, link.b)))
            score, ends = best.get(pair, (-math.inf, None))
            if ends is None or link.score > score:
                best[pair] = link.score, (link.a, link.b)
                weaker |= {ends} if ends else set()
            else:
                weaker.add((link.a, link.b))
    return weaker


@functools.cache
def _escaped() -> re.Pattern[str]:
    """Finds markup, line breaks of JavaScript, and characters that could reorder or hide the text around them."""
    hidden = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cf"))
    return re.compile("[<>&\u2028\u2029" + "".join(f"\\U{code:08x}" for code in hidden) + "]")


def _json(value: object) -> str:
    """Returns JSON that may stand in a ``<script>`` element."""

    def escape(match: re.Match[str]) -> str:
        units = match[0].encode("utf-16-be")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    return _escaped().sub(escape, json.dumps(value, ensure_ascii=False, separators=(",", ":")))

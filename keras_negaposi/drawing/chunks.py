"""Documents as pages of a wanted length, cut at the ends of lines and sentences."""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from keras_negaposi.sources.document import Document, Line, Link, page_title

_SENTENCE_END = re.compile(r"(?<=[。．！？])(?![」』）])|(?<=[。．！？][」』）])|(?<=[.!?])\s+")


@dataclasses.dataclass(frozen=True)
class Page:
    """One page: a text with its links, under a title."""

    title: str
    document: str
    text: str
    links: tuple[Link, ...]


def cut_document(document: Document, length: int, measure: Callable[[str], int] = len) -> list[Page]:
    """The document's pages in their order, empty ones too.

    Args:
        document: one with page titles keeps its pages; of another, lines are put together as long as they fit.
        length: of a page; a single line that is longer is cut at the ends of sentences, and where a sentence does not
            fit either, anywhere.
        measure: length of a text.
    """
    if document.page_titles is not None:
        named = zip(document.page_titles, document.pages, strict=True)
        return [_page(title, document.title, lines) for title, lines in named]
    lines = (part for page in document.pages for line in page for part in _cut_line(line, length, measure))
    chunks = _fill(lines, length, measure)
    return [_page(page_title(document.title, n), document.title, chunk) for n, chunk in enumerate(chunks)]


def _fill(lines: Iterator[Line], length: int, measure: Callable[[str], int]) -> Iterator[list[Line]]:
    """Puts lines together, as many as fit."""
    chunk: list[Line] = []
    filled = 0
    for line in lines:
        size = measure(line.text)
        if chunk and filled + size > length:
            yield chunk
            chunk, filled = [], 0
        chunk.append(line)
        filled += size
    if chunk:
        yield chunk


def _cut_line(line: Line, length: int, measure: Callable[[str], int]) -> Iterator[Line]:
    """The line in parts that fit; a link across a cut is lost."""
    if measure(line.text) <= length:
        yield line
        return
    start = 0
    starts = [link.start for link in line.links]
    for end in _ends(line.text, length, measure):
        near = line.links[bisect.bisect_left(starts, start) : bisect.bisect_left(starts, end)]
        inside = [link for link in near if link.end <= end]
        yield Line(line.text[start:end].rstrip(), tuple(_shifted(inside, -start)))
        start = end


def _ends(text: str, length: int, measure: Callable[[str], int]) -> Iterator[int]:
    """Where the parts end: after as many sentences as fit, or within one that is too long by itself."""
    stops = [*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]
    start = last = 0
    for stop in stops:
        if last > start and measure(text[start:stop]) > length:
            yield last
            start = last
        while measure(text[start:stop]) > length and stop - start > 1:
            start += _fitting(text[start:stop], length, measure)
            yield start
        last = stop
    if last > start:
        yield last


def _fitting(text: str, length: int, measure: Callable[[str], int]) -> int:
    """How many characters fit, one at least."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= length else (low, middle - 1)
    return low


def _page(title: str, document: str, lines: Sequence[Line]) -> Page:
    text = ""
    links: list[Link] = []
    for line in lines:
        text += " " if text else ""
        links += _shifted(line.links, len(text))
        text += line.text
    return Page(title, document, text, tuple(links))


def _shifted(links: Sequence[Link], by: int) -> list[Link]:
    return [dataclasses.replace(link, start=link.start + by, end=link.end + by) for link in links]

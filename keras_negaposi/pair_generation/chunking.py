"""Cuts documents into pages of a given length, at the ends of lines and sentences."""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from keras_negaposi.readers.document import Document, Line, Link, page_title

_SENTENCE_END = re.compile(r"(?<=[。．！？])(?![」』）])|(?<=[。．！？][」』）])|(?<=[.!?])\s+")


@dataclasses.dataclass(frozen=True)
class Page:
    """A page: a text with a title and links."""

    title: str
    document: str
    text: str
    links: tuple[Link, ...]


def cut_document(document: Document, length: int, measure: Callable[[str], int] = len) -> list[Page]:
    """Returns the pages of a document in order, including empty ones.

    Args:
        document: if it has page titles, its pages stay as they are; otherwise lines are joined as long as they fit.
        length: maximum length of a page. A line that is longer is cut at the ends of sentences; a sentence that is
            longer is cut anywhere.
        measure: returns the length of a text.
    """
    if document.page_titles is not None:
        named = zip(document.page_titles, document.pages, strict=True)
        return [_page(title, document.title, lines) for title, lines in named]
    lines = (part for page in document.pages for line in page for part in _cut_line(line, length, measure))
    chunks = _fill(lines, length, measure)
    return [_page(page_title(document.title, n), document.title, chunk) for n, chunk in enumerate(chunks)]


def _fill(lines: Iterator[Line], length: int, measure: Callable[[str], int]) -> Iterator[list[Line]]:
    """Joins as many consecutive lines as fit into a page."""
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
    """Cuts a line into parts that fit; a link across a cut is lost."""
    start = first = 0
    for end in _ends(line.text, length, measure):
        last = first
        while last < len(line.links) and line.links[last].start < end:
            last += 1
        text = line.text[start:end]
        begin = end - len(text.lstrip())
        inside = [link for link in line.links[first:last] if begin <= link.start and link.end <= end]
        if begin < end:
            yield Line(text.strip(), tuple(_shifted(inside, -begin)))
        start, first = end, last


def _ends(text: str, length: int, measure: Callable[[str], int]) -> Iterator[int]:
    """Yields the ends of the parts: after as many sentences as fit, or within a sentence that is too long."""
    stops = [match.end() for match in _SENTENCE_END.finditer(text)]
    start = 0
    while start < len(text):
        end = start + _fitting(text, start, length, measure)
        if end < len(text):
            last = bisect_right(stops, end) - 1
            end = stops[last] if last >= 0 and stops[last] > start else end
        yield end
        start = end


def _fitting(text: str, start: int, length: int, measure: Callable[[str], int]) -> int:
    """Returns how many characters from ``start`` fit, at least one; measures at most about twice as many."""
    most = len(text) - start
    low, high = 0, min(length, most)
    # Double the length until it no longer fits, then bisect.
    while measure(text[start : start + high]) <= length:
        if high == most:
            return high
        low, high = high, min(2 * high, most)
    while high - low > 1:  # low fits, high does not
        middle = (low + high) // 2
        low, high = (middle, high) if measure(text[start : start + middle]) <= length else (low, middle)
    return max(low, 1)


def _page(title: str, document: str, lines: Sequence[Line]) -> Page:
    """Joins lines to a page, and moves their links to the new positions."""
    links: list[Link] = []
    length = 0
    for line in lines:
        links += _shifted(line.links, length)
        length += len(line.text) + 1
    return Page(title, document, " ".join(line.text for line in lines), tuple(links))


def _shifted(links: Sequence[Link], by: int) -> list[Link]:
    return [dataclasses.replace(link, start=link.start + by, end=link.end + by) for link in links]

"""What every source yields: documents of pages of lines, with the links in them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Link:
    """``text[start:end]`` of a line links to the document ``target``, as it is written there."""

    start: int
    end: int
    target: str


@dataclasses.dataclass(frozen=True)
class Line:
    """A line without markup."""

    text: str
    links: tuple[Link, ...] = ()


@dataclasses.dataclass(frozen=True)
class Document:
    """A document under its title.

    Attributes:
        title: unique within a source.
        pages: lines by page; an empty one stands where pages are missing.
        page_titles: the pages' own titles, where they have any (slides): such pages stay whole. Otherwise the document
            is cut into pages of a wanted length.
    """

    title: str
    pages: list[list[Line]]
    page_titles: list[str] | None = None


def page_title(document: str, number: int) -> str:
    """The title of a document's page; ``--group_pattern``'s default finds the document in it again."""
    return f"{document},{number:03d}"


def plain_lines(text: str) -> list[Line]:
    """The lines of a text without markup that are not empty."""
    return [Line(" ".join(line.split())) for line in text.splitlines() if line.strip()]


class LineBuilder:
    """Puts a line together from pieces, some of them links; white space within is one space each."""

    def __init__(self) -> None:
        self._text = ""
        self._links: list[Link] = []

    def add(self, text: str, target: str | None = None) -> None:
        """Appends a piece; with ``target`` it is a link."""
        words = " ".join(text.split())
        if not words:
            self._space(text)
            return
        self._space(text[: len(text) - len(text.lstrip())])
        start = len(self._text)
        self._text += words
        if target is not None:
            self._links.append(Link(start, len(self._text), target))
        self._space(text[len(text.rstrip()) :])

    def line(self) -> Line:
        """The line so far."""
        return Line(self._text.rstrip(), tuple(self._links))

    def _space(self, text: str) -> None:
        if text and self._text and not self._text.endswith(" "):
            self._text += " "

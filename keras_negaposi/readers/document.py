"""What every source yields: documents of pages of lines, with the links in them."""

from __future__ import annotations

import dataclasses
import unicodedata


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


def composed(title: str) -> str:
    """A title in Unicode's form C, in which all our files have it: macOS decomposes the names of files."""
    return unicodedata.normalize("NFC", title)


@dataclasses.dataclass(frozen=True)
class Document:
    """A document under its title; titles are `composed`.

    Attributes:
        title: unique within a source.
        pages: lines by page; an empty one stands where pages are missing.
        page_titles: the pages' own titles, where they have any (slides): such pages stay whole. Otherwise the document
            is cut into pages of a wanted length.
        aliases: other names that links may use.
        is_path: whether the title is a path, so that links may be relative to it or give only its end.
        file: the document's own file, as a path from the source's folder.
    """

    title: str
    pages: list[list[Line]]
    page_titles: list[str] | None = None
    file: str | None = None
    aliases: tuple[str, ...] = ()
    is_path: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", composed(self.title))
        if self.page_titles is not None:
            object.__setattr__(self, "page_titles", [composed(title) for title in self.page_titles])


def page_title(document: str, number: int) -> str:
    """The title of a document's page; ``--group_pattern``'s default finds the document in it again."""
    return f"{document},{number:03d}"


def plain_lines(text: str) -> list[Line]:
    """The lines of a text without markup that are not empty."""
    return [Line(" ".join(line.split())) for line in text.splitlines() if line.strip()]


class LineBuilder:
    """Joins pieces to a line, some of them links; white space within is one space each."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._links: list[Link] = []

    def add(self, text: str, target: str | None = None) -> None:
        """Appends a piece; with ``target`` it is a link."""
        words = " ".join(text.split())
        if not words:
            self._space(text)
            return
        self._space(text[: len(text) - len(text.lstrip())])
        start = self._length
        self._append(words)
        if target is not None:
            self._links.append(Link(start, self._length, target))
        self._space(text[len(text.rstrip()) :])

    def line(self) -> Line:
        """The line so far."""
        return Line("".join(self._pieces).rstrip(), tuple(self._links))

    def _append(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)

    def _space(self, text: str) -> None:
        if text and self._pieces and self._pieces[-1] != " ":
            self._append(" ")

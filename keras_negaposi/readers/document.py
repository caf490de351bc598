"""What every reader yields: documents, which consist of pages, lines, and the links in the lines."""

from __future__ import annotations

import dataclasses
import unicodedata


@dataclasses.dataclass(frozen=True)
class Link:
    """A link in a line: ``text[start:end]`` links to the document ``target``, spelled as in the source."""

    start: int
    end: int
    target: str


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of text without markup, and its links."""

    text: str
    links: tuple[Link, ...] = ()


def composed(title: str) -> str:
    """Returns a title in Unicode's form C, which all our files use. File names on macOS are in another form."""
    return unicodedata.normalize("NFC", title)


@dataclasses.dataclass(frozen=True)
class Document:
    """A document with a title. All titles are `composed`.

    Attributes:
        title: unique within a source.
        pages: the lines of each page. An empty page marks a gap where pages are missing.
        page_titles: titles of the pages if the source has pages, such as slides; these are not cut. Otherwise ``None``,
            and the document is cut into pages of a given length.
        file: the document's file, as a path relative to the source's folder; ``None`` if it has no file of its own.
        aliases: other names that links may use.
        is_path: whether the title is a path, so that links may be relative to it or give only its end.
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
    """Returns the title of a page. The default of ``--group_pattern`` extracts the document from it."""
    return f"{document},{number:03d}"


def plain_lines(text: str) -> list[Line]:
    """Returns the non-empty lines of a text that has no markup, with single spaces."""
    return [Line(" ".join(line.split())) for line in text.splitlines() if line.strip()]


class LineBuilder:
    """Builds a line from fragments, some of which are links. Each run of white space becomes one space."""

    def __init__(self) -> None:
        self._fragments: list[str] = []
        self._length = 0
        self._links: list[Link] = []

    def add(self, text: str, target: str | None = None) -> None:
        """Appends a fragment; with ``target`` it is a link."""
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
        """Returns the line built so far."""
        return Line("".join(self._fragments).rstrip(), tuple(self._links))

    def _append(self, fragment: str) -> None:
        self._fragments.append(fragment)
        self._length += len(fragment)

    def _space(self, text: str) -> None:
        if text and self._fragments and self._fragments[-1] != " ":
            self._append(" ")

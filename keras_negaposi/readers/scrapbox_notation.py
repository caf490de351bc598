"""The notation within a line of a Scrapbox (Cosense) page.

The rules are those of https://github.com/progfay/scrapbox-parser: each kind of notation is looked for in the whole line
before the next kind, in a fixed order. Every pattern is matched in linear time, and decorations nest once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class Piece(NamedTuple):
    """A part of a line as it is seen; with ``target`` it links to the page of that title."""

    text: str
    target: str | None = None


Fragments = Iterable[str | Piece]
"""Parts of a line in their order: those that are read, and those to be read still."""
Step = Callable[[str], Fragments]

_SCHEME = r"(?i:https?)://"
_IMAGE = rf"{_SCHEME}(?:[^\s\[\]]+\.(?i:png|jpe?g|gif|svg|webp)|(?:[0-9a-z-]+\.)?gyazo\.com/[0-9a-f]{{32}})"
_ICON = r"\.icon(?:[*x][0-9]+)?"
_COORDINATES = r"[NS][0-9]+(?:\.[0-9]+)?,[EW][0-9]+(?:\.[0-9]+)?(?:,Z[0-9]+)?"

_MARK = re.compile(rf"[\[`#]|{_SCHEME}")
_URL = re.compile(rf"{_SCHEME}\S+")
_URL_FIRST = re.compile(rf"\[{_SCHEME}[^\s\]]+")
_URL_LAST = re.compile(rf"(?<=\S)\s+{_SCHEME}\S+\Z")
_PLACE_FIRST = re.compile(rf"(?<=\S)\s+{_COORDINATES}\Z")
_PLACE_LAST = re.compile(rf"\[{_COORDINATES}(?:\s|\Z)")
_IS_ICON = re.compile(rf"{_ICON}\Z")
_LINE_ID = re.compile(r"#[0-9a-f]{24,32}\Z")


def read_notation(text: str, *, table: bool = False, nested: bool = False) -> list[Piece]:
    """The visible parts of a line; icons, images, formulas and URLs are left out.

    Args:
        text: of a line, without its indentation.
        table: it is a cell, where only ``[links]`` and icons work.
        nested: it stands in a decoration, where no other decoration works.
    """
    if not _MARK.search(text):
        return [Piece(text)] if text else []
    fragments: Fragments = [text]
    for step in (*(() if nested else _OUTER), _external_links, _urls):
        fragments = _apply(step, fragments)
    if table:
        fragments = [part if isinstance(part, str) else Piece(part.text) for part in fragments]
    fragments = _apply(_links if nested else _links_and_maps, fragments)
    if not table:
        fragments = _apply(_hashtags, fragments)
    return [Piece(part) if isinstance(part, str) else part for part in fragments if part]


def is_link(text: str) -> bool:
    """Whether all of a line is one link, as it is written: ``[title]`` or ``#title``."""
    pieces = read_notation(text)
    return len(pieces) == 1 and pieces[0].target in (text[1:-1], text[1:])


def _apply(step: Step, fragments: Fragments) -> list[str | Piece]:
    """Reads what is not read yet."""
    result: list[str | Piece] = []
    for part in fragments:
        done = isinstance(part, Piece) or not _MARK.search(part)
        result += [part] if done else [new for new in step(part) if new]  # type: ignore[arg-type]
    return result


def _matches(pattern: str, made: Callable[[str], Iterable[Piece]], end: str = "") -> Step:
    """A step that makes pieces of what a pattern's group matches; every match ends with ``end``."""
    compiled = re.compile(pattern)

    def step(text: str) -> Iterator[str | Piece]:
        position = 0
        # No match ends later, so no failing one runs to the end of the text.
        for found in compiled.finditer(text, 0, text.rfind(end) + len(end) if end else len(text)):
            yield text[position : found.start()]
            yield from made(found[1])
            position = found.end()
        yield text[position:]

    return step


def _nothing(_: str) -> list[Piece]:
    return []


def _decorated(text: str) -> list[Piece]:
    return read_notation(text, nested=True)


_OUTER: tuple[Step, ...] = (
    _matches(r"`((?:\\`|[^`])*)`", lambda code: [Piece(code)], "`"),
    _matches(r"\[(\s+)\]", lambda blank: [Piece(" ")], "]"),
    _matches(r"""\[[!"#%&'()*+,\-./{|}<>_~]+ ((?:\[[^\[\]]+\]|[^\[\]]++|\[)+)\]""", _decorated, "]"),
    _matches(r"\[\$ ([^\[\]]+)\]", _nothing, "]"),  # before the next one, which would take in what follows it
    _matches(r"\[\$ (.+?) \]", _nothing, " ]"),
    _matches(r"\[\$ ([^\]]+)\]", _nothing, "]"),
    _matches(rf"\[\[({_IMAGE}|[^\[\]]*{_ICON})\]\]", _nothing, "]]"),
    _matches(r"\[\[((?:[^\[]|\[[^\[]).*?\]*)\]\]", _decorated, "]]"),
)
"""Code, blanks, decorations, formulas, large images and icons, strong text: what does not stand in a decoration."""


def _in_brackets(read: Callable[[str], tuple[int, Piece] | None]) -> Step:
    """A step for brackets without a ``]`` within.

    Args:
        read: is given what stands between two ``]``, and gives where a bracket opens in it, and what it shows.
    """

    def step(text: str) -> Iterator[str | Piece]:
        done = start = 0
        while (end := text.find("]", start)) >= 0:
            if found := read(text[start:end]):
                yield text[done : start + found[0]]
                yield found[1]
                done = end + 1
            start = end + 1
        yield text[done:]

    return step


def _read_external(text: str) -> tuple[int, Piece] | None:
    """``[URL]``, ``[URL shown]`` or ``[shown URL]``."""
    if first := _URL_FIRST.search(text):
        return None if text[-1].isspace() else (first.start(), Piece(_URL.sub("", text[first.end() :].strip())))
    if last := _URL_LAST.search(text):
        opening = text.rfind("[", 0, last.start())
        if 0 <= opening < last.start() - 1:
            return opening, Piece(text[opening + 1 : last.start()].strip())
    return None


def _read_link(text: str) -> tuple[int, Piece] | None:
    """``[title]``, ``[/project/title]``, ``[title.icon]`` or, in a decoration, ``[$ formula]``."""
    opening = text.rfind("[")
    inner = text[opening + 1 :]
    if opening < 0 or not inner:
        return None
    if _IS_ICON.search(inner) or inner.startswith("$ "):
        return opening, Piece("")
    title = _LINE_ID.sub("", inner) or inner
    if not inner.startswith("/"):
        return opening, Piece(title, title.strip())
    project, _, page = title[1:].partition("/")
    return opening, Piece(page or project)


def _read_map(text: str) -> tuple[int, Piece] | None:
    """``[N35.1,E135.2,Z10 place]`` or ``[place N35.1,E135.2,Z10]``."""
    opening = text.find("[")
    place = _PLACE_FIRST.search(text)
    if place and 0 <= opening < place.start() - 1:
        return opening, Piece(text[opening + 1 : place.start()])
    place = _PLACE_LAST.search(text)
    return (place.start(), Piece(text[place.end() :])) if place and not text[-1].isspace() else None


_external_links = _in_brackets(_read_external)
_urls = _matches(rf"{_SCHEME}(?=\S)[^\s\]]*(\S*)", lambda after: [Piece(_URL.sub("", after))])
_links = _in_brackets(_read_link)
_links_and_maps = _in_brackets(lambda text: (None if _IS_ICON.search(text) else _read_map(text)) or _read_link(text))
_hashtags = _matches(r"(?:^|(?<=\s))#(\S+)", lambda tag: [Piece(tag, tag)])

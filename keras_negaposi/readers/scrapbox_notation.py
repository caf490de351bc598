"""Parses the notation within a line of a Scrapbox (Cosense) page.

The rules follow https://github.com/progfay/scrapbox-parser: each step searches the whole line for one kind of notation,
and the steps have a fixed order. Every pattern matches in linear time, and decorations nest once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class Fragment(NamedTuple):
    """Visible text of a line. With ``target``, it links to the page of that title."""

    text: str
    target: str | None = None


Fragments = Iterable[str | Fragment]
"""A line in order: fragments that are parsed, and strings that are not parsed yet."""
Step = Callable[[str], Fragments]
"""Parses one kind of notation in a string."""

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


def read_notation(text: str, *, table: bool = False, nested: bool = False) -> list[Fragment]:
    """Returns the visible text of a line, without icons, images, formulas and URLs.

    Args:
        text: the line without its indentation.
        table: whether the text is a table cell, where only ``[links]`` and icons are notation.
        nested: whether the text is in a decoration, where other decorations are not notation.
    """
    if not _MARK.search(text):
        return [Fragment(text)] if text else []
    # Apply the steps in their order
    fragments: Fragments = [text]
    for step in (*(() if nested else _OUTER), _external_links, _urls):
        fragments = _apply(step, fragments)
    if table:
        fragments = [part if isinstance(part, str) else Fragment(part.text) for part in fragments]
    fragments = _apply(_links if nested else _links_and_maps, fragments)
    if not table:
        fragments = _apply(_hashtags, fragments)
    return [Fragment(part) if isinstance(part, str) else part for part in fragments if part]


def is_link(text: str) -> bool:
    """Returns whether a whole line is one link: ``[title]`` or ``#title``."""
    fragments = read_notation(text)
    return len(fragments) == 1 and fragments[0].target in (text[1:-1], text[1:])


def _apply(step: Step, fragments: Fragments) -> list[str | Fragment]:
    """Applies a step to the strings that are not parsed yet."""
    result: list[str | Fragment] = []
    for part in fragments:
        if isinstance(part, Fragment) or not _MARK.search(part):
            result.append(part)
        else:
            result += filter(None, step(part))
    return result


def _matches(pattern: str, read: Callable[[str], Iterable[Fragment]], end: str = "") -> Step:
    """Returns a step that calls ``read`` with the group of each match. Every match must end with ``end``."""
    compiled = re.compile(pattern)

    def step(text: str) -> Iterator[str | Fragment]:
        position = 0
        # No match can end later, so a failing attempt does not run to the end of the text.
        for found in compiled.finditer(text, 0, text.rfind(end) + len(end) if end else len(text)):
            yield text[position : found.start()]
            yield from read(found[1])
            position = found.end()
        yield text[position:]

    return step


def _nothing(_: str) -> list[Fragment]:
    return []


def _decorated(text: str) -> list[Fragment]:
    return read_notation(text, nested=True)


_OUTER: tuple[Step, ...] = (
    _matches(r"`((?:\\`|[^`])*)`", lambda code: [Fragment(code)], "`"),
    _matches(r"\[(\s+)\]", lambda blank: [Fragment(" ")], "]"),
    _matches(r"""\[[!"#%&'()*+,\-./{|}<>_~]+ ((?:\[[^\[\]]+\]|[^\[\]]++|\[)+)\]""", _decorated, "]"),
    _matches(r"\[\$ ([^\[\]]+)\]", _nothing, "]"),  # must precede the next one, which would match more
    _matches(r"\[\$ (.+?) \]", _nothing, " ]"),
    _matches(r"\[\$ ([^\]]+)\]", _nothing, "]"),
    _matches(rf"\[\[({_IMAGE}|[^\[\]]*{_ICON})\]\]", _nothing, "]]"),
    _matches(r"\[\[((?:[^\[]|\[[^\[]).*?\]*)\]\]", _decorated, "]]"),
)
"""Code, blanks, decorations, formulas, large images and icons, and strong text. None of them works in a decoration."""


def _in_brackets(read: Callable[[str], tuple[int, Fragment] | None]) -> Step:
    """Returns a step for brackets that contain no ``]``.

    Args:
        read: takes the text between two ``]``; returns where the bracket opens in it and what it shows, or ``None``.
    """

    def step(text: str) -> Iterator[str | Fragment]:
        done = start = 0
        while (end := text.find("]", start)) >= 0:
            if found := read(text[start:end]):
                yield text[done : start + found[0]]
                yield found[1]
                done = end + 1
            start = end + 1
        yield text[done:]

    return step


def _read_external(text: str) -> tuple[int, Fragment] | None:
    """Reads ``[URL]``, ``[URL text]`` or ``[text URL]``."""
    if first := _URL_FIRST.search(text):
        return None if text[-1].isspace() else (first.start(), Fragment(_URL.sub("", text[first.end() :].strip())))
    if last := _URL_LAST.search(text):
        opening = text.rfind("[", 0, last.start())
        if 0 <= opening < last.start() - 1:
            return opening, Fragment(text[opening + 1 : last.start()].strip())
    return None


def _read_link(text: str) -> tuple[int, Fragment] | None:
    """Reads ``[title]``, ``[/project/title]``, ``[title.icon]`` or, in a decoration, ``[$ formula]``."""
    opening = text.rfind("[")
    inner = text[opening + 1 :]
    if opening < 0 or not inner:
        return None
    if _IS_ICON.search(inner) or inner.startswith("$ "):
        return opening, Fragment("")
    title = _LINE_ID.sub("", inner) or inner
    if not inner.startswith("/"):
        return opening, Fragment(title, title.strip())
    project, _, page = title[1:].partition("/")
    return opening, Fragment(page or project)


def _read_map(text: str) -> tuple[int, Fragment] | None:
    """Reads ``[N35.1,E135.2,Z10 place]`` or ``[place N35.1,E135.2,Z10]``."""
    opening = text.find("[")
    place = _PLACE_FIRST.search(text)
    if place and 0 <= opening < place.start() - 1:
        return opening, Fragment(text[opening + 1 : place.start()])
    place = _PLACE_LAST.search(text)
    return (place.start(), Fragment(text[place.end() :])) if place and not text[-1].isspace() else None


_external_links = _in_brackets(_read_external)
_urls = _matches(rf"{_SCHEME}(?=\S)[^\s\]]*(\S*)", lambda after: [Fragment(_URL.sub("", after))])
_links = _in_brackets(_read_link)
_links_and_maps = _in_brackets(lambda text: (None if _IS_ICON.search(text) else _read_map(text)) or _read_link(text))
_hashtags = _matches(r"(?:^|(?<=\s))#(\S+)", lambda tag: [Fragment(tag, tag)])

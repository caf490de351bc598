"""Text with HTML in it, as lines."""

from __future__ import annotations

import re
from html import unescape

from keras_negaposi.readers.document import Line, LineBuilder

_MARKUP = re.compile(
    r"""<!--.*?(?:-->|\Z)
    | <(?P<hidden>script|style|template|pre(?=[^<>]*>\s*<code))\b[^<>]*>.*?(?:</(?P=hidden)\s*>|\Z)
    | <[!?][^<>]*>
    | <(?P<end>/?)(?P<name>[a-z][^\s/<>]*)(?:"[^"]*"|'[^']*'|[^"'<>])*+>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
"""A comment, an element that is not shown, a declaration or a tag. What is not closed costs one scan at most."""
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd label mark meter nobr output "
    "progress q rb rp rt rtc ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
"""Elements within a line; all others stand on lines of their own."""
_URL = re.compile(r"https?://(?:[!-;=?-~]+|(?<=[/=#?&_])[^\W\x00-\x7f]+)*")
"""Japanese text that follows without a space is not a part of it, unless it can be a name in the path."""


def without_urls(text: str) -> str:
    """The text without http URLs."""
    return _URL.sub("", text)


class LineCollector:
    """Collects lines out of text and tags.

    Attributes:
        lines: those that are complete; empty ones are left out.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._builder = LineBuilder()
        self._hidden = ""

    def text(self, text: str, target: str | None = None) -> None:
        """Adds text to the line; with ``target`` it is a link."""
        if not self._hidden:
            self._builder.add(text, target)

    def end_line(self) -> None:
        """Begins a new line."""
        line = self._builder.line()
        if line.text:
            self.lines.append(line)
        self._builder = LineBuilder()

    def tag(self, html: str) -> None:
        """One tag or comment whose content, if it has any, comes by other calls."""
        found = re.match(r"<(/?)([a-z][^\s/<>]*)", html, re.IGNORECASE)
        if not found:
            return
        end, name = found[1], found[2].lower()
        if self._hidden or (name in ("script", "style", "template") and not end):
            self._hidden = "" if end and name == self._hidden else self._hidden or name
        elif name not in _INLINE:
            self.end_line()

    def block(self, html: str) -> None:
        """Whole HTML: a line for each element that is not within a line."""
        position = 0
        for found in _MARKUP.finditer(html):
            self.text(without_urls(unescape(html[position : found.start()])))
            position = found.end()
            if found["name"]:
                self.tag(found[0])
        self.text(without_urls(unescape(html[position:])))
        self.end_line()

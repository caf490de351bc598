"""Extracts lines of text from HTML, or from text that contains HTML tags."""

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
"""A comment, an invisible element, a declaration or a tag. An unclosed one costs at most one scan."""
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd label mark meter nobr output "
    "progress q rb rp rt rtc ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
"""Inline elements. All others begin a new line."""
_URL = re.compile(r"https?://(?:[!-;=?-~]+|(?<=[/=#?&_])[^\W\x00-\x7f]+)*")
"""Japanese text that follows a URL without a space does not belong to it, unless it can be part of the path."""


def without_urls(text: str) -> str:
    """Returns the text without http and https URLs."""
    return _URL.sub("", text)


class LineCollector:
    """Collects lines from text and tags.

    Attributes:
        lines: the completed lines, without empty ones.
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
        """Completes the current line and begins a new one."""
        line = self._builder.line()
        if line.text:
            self.lines.append(line)
        self._builder = LineBuilder()

    def tag(self, html: str) -> None:
        """Handles one tag or comment. The content of its element is added by other calls."""
        found = re.match(r"<(/?)([a-z][^\s/<>]*)", html, re.IGNORECASE)
        if not found:
            return
        end, name = found[1], found[2].lower()
        if self._hidden or (name in ("script", "style", "template") and not end):
            self._hidden = "" if end and name == self._hidden else self._hidden or name
        elif name not in _INLINE:
            self.end_line()

    def block(self, html: str) -> None:
        """Adds complete HTML; each element that is not inline begins a line."""
        position = 0
        for found in _MARKUP.finditer(html):
            self.text(without_urls(unescape(html[position : found.start()])))
            position = found.end()
            if found["name"]:
                self.tag(found[0])
        self.text(without_urls(unescape(html[position:])))
        self.end_line()

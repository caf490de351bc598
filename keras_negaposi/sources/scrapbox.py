"""A Scrapbox (Cosense) project's export: one JSON object whose ``pages`` have a title and lines.

Its notation is described at https://scrapbox.io/help-jp/記法. Links and decorations are reduced to their text; icons,
images, formulas, code and URLs are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from checkpoints_tools.errors import InputError
from keras_negaposi.json_stream import stream_items
from keras_negaposi.sources.document import Document, Line, LineBuilder

_BLOCK = re.compile(r"(?P<indent>\s*)(?P<kind>code|table):(?P<name>.*)")
_COMMAND = re.compile(r"\s*[$%] ")
_URL = re.compile(r"https?://\S+")
_TOKEN = re.compile(r"`[^`]*`|\[|https?://[^\s\]]+|(?:^|(?<=\s))#[^\s\[\]]+")
_DECORATED = re.compile(r"""[*/\-_!"#%&'()+,.{}|<>~]+ """)
_ICON = re.compile(r".*\.icon(\*\d+)?$")
_PLACE = re.compile(r"[NS]\d+(\.\d+)?,[EW]\d+(\.\d+)?(,Z\d+)?")


def read_scrapbox(path: str) -> Iterator[Document]:
    """Yields the export's pages as documents, in its order, one in memory at a time.

    Raises:
        InputError: it is no export; names the page.
    """
    for number, page in enumerate(stream_items(path, "pages.item"), 1):
        place = f"{path}: page {number}"
        if not isinstance(page, dict) or not isinstance(page.get("title"), str):
            raise InputError(f'{place}: has no "title"; is this a project\'s export?')
        lines = page.get("lines")
        if not isinstance(lines, list):
            raise InputError(f'{place} "{page["title"]}": has no list of "lines"; is this a project\'s export?')
        yield Document(page["title"], [parse_lines([_text(line, place, page["title"]) for line in lines])])


def parse_lines(lines: list[str]) -> list[Line]:
    """Lines of notation as lines of text; empty ones are left out, and so is code."""
    result = []
    code_indent = -1
    for raw in lines:
        indent = len(raw) - len(raw.lstrip())
        if 0 <= code_indent < indent:
            continue
        code_indent = -1
        block = _BLOCK.match(raw)
        if block and block["kind"] == "code":
            code_indent = indent
            continue
        if _COMMAND.match(raw):
            continue
        builder = LineBuilder()
        _parse(block["name"] if block else raw.strip().removeprefix(">"), builder)
        line = builder.line()
        if line.text:
            result.append(line)
    return result


def _text(line: object, place: str, title: str) -> str:
    """A line of an export with or without metadata."""
    text = line.get("text") if isinstance(line, dict) else line
    if not isinstance(text, str):
        raise InputError(f'{place} "{title}": a line must be a string or have a "text", not {str(line)[:60]}')
    return text


def _parse(text: str, builder: LineBuilder) -> None:
    position = 0
    for token in _TOKEN.finditer(text):
        if token.start() < position:  # within a bracket that is done already
            continue
        builder.add(text[position : token.start()])
        found = token[0]
        position = token.end()
        if found.startswith("`"):
            builder.add(found[1:-1])
        elif found.startswith("#"):
            builder.add(found[1:], target=found[1:])
        elif found == "[":
            end = _closing(text, token.start())
            if end < 0:
                builder.add("[")
            else:
                position = end + 1
                _bracket(text[token.start() + 1 : end], builder)
    builder.add(text[position:])


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes, or -1."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return -1


def _bracket(inner: str, builder: LineBuilder) -> None:
    """What stands between two brackets."""
    if inner.startswith("[") and inner.endswith("]"):  # [[strong]]
        _parse(inner[1:-1], builder)
    elif decoration := _DECORATED.match(inner):
        _parse(inner[decoration.end() :], builder)
    elif inner.startswith("$ ") or _ICON.match(inner):
        pass
    elif _URL.search(inner):
        builder.add(_URL.sub("", inner))
    elif place := _PLACE.match(inner):
        builder.add(inner[place.end() :])
    elif inner.startswith("/"):  # a page of another project
        builder.add(inner.rsplit("/", 1)[1])
    elif "[" in inner or not inner.strip():
        builder.add("[")
        _parse(inner, builder)
        builder.add("]")
    else:
        builder.add(inner, target=inner)

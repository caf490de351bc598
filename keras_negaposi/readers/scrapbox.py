"""Reads the export of a Scrapbox (Cosense) project: a JSON object whose ``pages`` have a title and lines.

Links and decorations are reduced to their text (`scrapbox_notation`). Icons, images, formulas, code, command lines and
URLs are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.json_stream import stream_items
from keras_negaposi.readers.document import Document, Line, LineBuilder, plain_lines
from keras_negaposi.readers.scrapbox_notation import read_notation

_INDENT = re.compile(r"\A[\s\ufeff]+")
_BLOCK = re.compile(r"(code|table):(.*)", re.DOTALL)
_COMMAND = re.compile(r"[$%] .")
_QUESTION = re.compile(r"\? (?=.)")


def read_scrapbox(path: str) -> Iterator[Document]:
    """Yields the pages of an export as documents, in its order. Only one page is in memory at a time.

    Raises:
        InputError: the file is not an export; names the page.
    """
    for number, page in enumerate(stream_items(path, "pages.item"), 1):
        place = f"{path}: page {number}"
        if not isinstance(page, dict) or not isinstance(page.get("title"), str):
            raise InputError(f'{place}: has no "title"; is this the export of a project?')
        title = page["title"]
        place = f"{place} {quoted(title)}"
        lines = page.get("lines")
        if not isinstance(lines, list):
            raise InputError(f'{place}: has no list of "lines"; export the project, a list of its pages is not enough')
        yield Document(title, [parse_page(title, [_text(line, place) for line in lines])])


def parse_page(title: str, lines: list[str]) -> list[Line]:
    """Returns the text of a page's lines. The first line is not read as notation if it is the title."""
    if lines and lines[0].split() == title.split():
        return [*plain_lines(title), *parse_lines(lines[1:])]
    return parse_lines(lines)


def parse_lines(lines: list[str]) -> list[Line]:
    """Returns the text of lines of notation, without empty lines and code."""
    result: list[Line] = []
    kind, block_indent = "", 0
    for raw in (part for line in lines for part in line.split("\n")):
        text = _INDENT.sub("", raw)
        indent = len(raw) - len(text)
        # A line of a block of code, or of a table
        if kind and indent > block_indent:
            if kind == "table":
                result.append(_line(raw[block_indent + 1 :].split("\t"), table=True))
            continue
        # The beginning of a block, or a line of text
        kind, block_indent = "", indent
        if block := _BLOCK.match(text):
            kind = block[1]
            if kind == "table":
                result += plain_lines(block[2])
        elif question := _QUESTION.match(text):
            result += plain_lines(text[question.end() :])
        elif not _COMMAND.match(text):
            result.append(_line([text.removeprefix(">")]))
    return [line for line in result if line.text]


def _text(line: object, place: str) -> str:
    """Returns the text of a line in an export, which may have metadata."""
    text = line.get("text") if isinstance(line, dict) else line
    if not isinstance(text, str):
        raise InputError(f'{place}: a line must be a string or have a "text", not {quoted(line)}')
    return text


def _line(cells: list[str], *, table: bool = False) -> Line:
    builder = LineBuilder()
    for cell in cells:
        for fragment in read_notation(cell, table=table):
            builder.add(fragment.text, target=fragment.target)
        builder.add(" ")
    return builder.line()

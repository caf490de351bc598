"""Reads lines as spreadsheets and scripts write them: UTF-8, or UTF-16 with a byte order mark; LF, CRLF or CR."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import BLOCK

LONGEST_LINE = 16 << 20
"""Limit in characters for a line, and for a cell of several lines, which must fit into memory."""
_MARKS = {
    codecs.BOM_UTF8: ("utf-8", "surrogateescape"),
    codecs.BOM_UTF16_LE: ("utf-16-le", "surrogatepass"),
    codecs.BOM_UTF16_BE: ("utf-16-be", "surrogatepass"),
}
"""Encoding and error handler by byte order mark."""
Line = tuple[int, str]
"""The number of a line, from 1, and its text with the line break."""

_LINE = re.compile(r"[^\r\n]*+(?:\r?\n|\r(?!\Z))")
_LINE_END = re.compile(r"[\r\n]")


def read_lines(file: BinaryIO, name: str) -> Iterator[Line]:
    """Yields the lines, each as soon as it has been read.

    Args:
        file: read from its beginning; may be a terminal or pipe.
        name: name of the file in error messages.

    Raises:
        InputError: a line has another encoding, contains a NUL character, or is too long; names the line.
    """
    for number, line in enumerate(_split(_decoded(file, name), name), 1):
        try:
            line.encode("utf-8")
        except UnicodeEncodeError as error:
            at = len(line[: error.start].encode("utf-8"))
            raise InputError(
                f"{name}: line {number}: not UTF-8 at byte {at} of the line; save it as UTF-8 (in Excel: CSV UTF-8)"
            ) from None
        if "\0" in line:
            raise InputError(
                f"{name}: line {number}: contains a NUL character; check that it is a text file, and save it as UTF-8"
            )
        yield number, line


def _split(texts: Iterator[str], name: str) -> Iterator[str]:
    waiting: list[str] = []  # blocks of a line that is not complete yet
    number = 1
    for text in texts:
        whole = "".join((*waiting, text)) if _LINE_END.search(text) or (waiting and waiting[-1][-1:] == "\r") else None
        if whole is None:
            waiting.append(text)
        else:
            end = 0
            while found := _LINE.match(whole, end):
                yield found[0]
                number += 1
                end = found.end()
            waiting = [whole[end:]]
        if sum(map(len, waiting)) > LONGEST_LINE:
            raise too_long(name, number)
    if rest := "".join(waiting):
        yield rest


def too_long(name: str, number: int) -> InputError:
    """Returns the error for a line that is too long, or a cell that begins in it."""
    return InputError(
        f"{name}: line {number} has more than {LONGEST_LINE:,} characters; is this the file that you meant?"
    )


def _decoded(file: BinaryIO, name: str) -> Iterator[str]:
    """Yields decoded blocks of text, without the byte order mark. Bytes that are not UTF-8 become surrogates."""
    read = getattr(file, "read1", file.read)  # of a terminal or pipe, returns what is available
    block = b""
    while len(block) < len(codecs.BOM_UTF8) and (more := read(BLOCK)):
        block += more
    # Choose the encoding by the mark
    mark = next((mark for mark in _MARKS if block.startswith(mark)), b"")
    encoding, errors = _MARKS[mark or codecs.BOM_UTF8]
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    block = block[len(mark) :]
    # Decode
    try:
        while block:
            yield decoder.decode(block)
            block = read(BLOCK)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InputError(f"{name}: cut off in the middle of a character; save it again as UTF-8") from None

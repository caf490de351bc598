"""Reads PDF slides; each slide is a page. Needs pypdfium2 (the extra ``pdf``)."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.common.streams import say
from keras_negaposi.readers.document import Document, Line, page_title, plain_lines
from keras_negaposi.readers.folder import find_files

SUFFIXES = (".pdf",)
MOST_NAMED = 5
"""Number of files with empty pages that are named."""
WRAPPED = 15
"""Width in characters of the narrowest column of text."""
SLACK = 4
"""Columns by which full lines may differ in width, because no line may begin with a full stop or a small kana."""
_SUPPLEMENT = (
    "⺀厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑彐忄心扌攵⺚旡日月歺母民氵氺灬爫爫丬牛犭王𤴔目示礻𥫗糹纟罓罒㓁冗𦉫羊𦍌𦍋耂"
    "肀聿肉𦥑艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶邑钅長镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟"
)
"""Characters for U+2E80 and following: Unicode's property Equivalent_Unified_Ideograph."""
_RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)} | {
    0x2E80 + number: character for number, character in enumerate(_SUPPLEMENT)
}
_RADICALS[0x2F3E] = "戸"  # Japanese fonts draw both with one glyph; Unicode names 戶
"""Radicals and the characters that they stand for. Of characters with the same glyph, Chrome and others write the first
one, which is a radical: ⼈ for 人."""
_HYPHEN = re.compile("[\x02\ufffe\xad](\r?\n)?|(?<=[a-z])\u2010\r?\n(?=[a-z])")
"""A hyphen that divides a word at the end of a line: as pdfium returns it, a soft hyphen, and as Chrome writes it."""
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\uffff]")
"""Control characters, except line breaks."""
_JAPANESE = "[\u3041-\u3096\u30a1-\u30fa\u30fc\u3005\u3400-\u9fff\uf900-\ufaff]"
_UNFINISHED, _CONTINUES = re.compile(f"({_JAPANESE}|、)$"), re.compile(_JAPANESE)
"""The end of a line that a line break cut off, and the beginning of the next one."""
_SENTENCE_END = ("。", "！", "？", "。」", "。）")


def read_pdf(path: str) -> Iterator[Document]:
    """Yields a PDF file, or each one in a folder and its subfolders, as a document of numbered pages.

    Reports how many pages have no text.

    Raises:
        InputError: pypdfium2 is not installed; a file is not a PDF or is protected by a password; or no page has text.
    """
    pages = with_text = 0
    without: list[str] = []
    for relative, full in find_files(path, SUFFIXES):
        texts = _page_texts(full)
        found = sum(map(bool, texts))
        pages, with_text = pages + len(texts), with_text + found
        if found < len(texts) or not texts:
            without.append(f"{relative} ({found:,} of {len(texts):,})")
        title = posixpath.splitext(relative)[0]
        yield Document(title, texts, [page_title(title, n) for n in range(len(texts))])
    line = f"{path}: {with_text:,} of {pages:,} pages have text"
    if not with_text:
        raise InputError(f"{line}; run OCR on scanned pages first")
    if without:
        more = f" and {len(without) - MOST_NAMED:,} more files" if len(without) > MOST_NAMED else ""
        say(f"{line}; files with empty pages: {', '.join(without[:MOST_NAMED])}{more}")


def _page_texts(path: str) -> list[list[Line]]:
    """Returns the lines of each page of a file."""
    try:
        import pypdfium2
    except ImportError:
        raise InputError(f"{path}: reading PDF needs pypdfium2; pip install 'keras_negaposi[pdf]'") from None
    content = read_bytes(path)
    if not content:
        raise InputError(f"{path}: the file is empty; leave it out")
    try:
        with pypdfium2.PdfDocument(content) as pdf:
            return [page_lines(page.get_textpage().get_text_bounded()) for page in pdf]
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InputError(f"{path}: protected by a password; save it without one") from None
        raise InputError(f"{path}: not a readable PDF, or it has no pages ({error})") from None


def page_lines(text: str) -> list[Line]:
    """Returns the lines of a page, with hyphenated words and Japanese sentences rejoined across line breaks."""
    lines = [line.text for line in plain_lines(_CONTROL.sub("", _HYPHEN.sub("", text)).translate(_RADICALS))]
    joined: list[str] = []
    start = 0
    for stop, line in enumerate(lines, 1):
        if line.endswith(_SENTENCE_END):
            joined += _sentence_joined(lines[start:stop])
            start = stop
    return [Line(line) for line in (*joined, *lines[start:])]


def _sentence_joined(lines: list[str]) -> list[str]:
    """Joins the last line, which ends a sentence, with the lines before it that certainly belong to the sentence.

    Slides contain items of one line each, without a full stop. So a line belongs to the sentence only if it fills its
    column: it is long, all of the joined lines are equally long, and the last line is not longer.
    """
    if len(lines) < 2:
        return lines
    first, full = len(lines) - 1, _width(lines[-2])
    if full >= max(2 * WRAPPED, _width(lines[-1]) - SLACK):
        while first and _is_cut(lines[first - 1], lines[first]) and abs(_width(lines[first - 1]) - full) <= SLACK:
            first -= 1
    return [*lines[:first], "".join(lines[first:])]


def _is_cut(line: str, following: str) -> bool:
    return _UNFINISHED.search(line) is not None and _CONTINUES.match(following) is not None


def _width(line: str) -> int:
    """Returns the width of a line in columns; a full-width character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)

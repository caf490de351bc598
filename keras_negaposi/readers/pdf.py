"""PDF slides, a page a slide (pypdfium2, extra ``pdf``)."""

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
"""Files without text that are named."""
WRAPPED = 15
"""Characters of the narrowest column of text."""
SLACK = 4
"""Columns by which full lines differ: no line begins with a full stop or a small kana."""
_SUPPLEMENT = (
    "⺀厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑彐忄心扌攵⺚旡日月歺母民氵氺灬爫爫丬牛犭王𤴔目示礻𥫗糹纟罓罒㓁冗𦉫羊𦍌𦍋耂"
    "肀聿肉𦥑艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶邑钅長镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟"
)
"""For U+2E80 and what follows: Unicode's property Equivalent_Unified_Ideograph."""
_RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)} | {
    0x2E80 + number: character for number, character in enumerate(_SUPPLEMENT)
}
_RADICALS[0x2F3E] = "戸"  # Japanese fonts draw both with one glyph; Unicode names 戶
"""Chrome and others write the first of the characters that share a glyph, which is a radical: ⼈ for 人."""
_HYPHEN = re.compile("[\x02\ufffe\xad](\r?\n)?|(?<=[a-z])\u2010\r?\n(?=[a-z])")
"""What pdfium makes of the hyphen at the end of a line that the word continues on; the soft hyphen itself; and what
Chrome writes for it at the end of a line."""
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\uffff]")
"""Without those that break lines."""
_JAPANESE = "[\u3041-\u3096\u30a1-\u30fa\u30fc\u3005\u3400-\u9fff\uf900-\ufaff]"
_WITHIN, _GOES_ON = re.compile(f"({_JAPANESE}|、)$"), re.compile(_JAPANESE)
"""How a line ends that a line break cut, and how the next one begins."""
_SENTENCE_END = ("。", "！", "？", "。」", "。）")


def read_pdf(path: str) -> Iterator[Document]:
    """Yields a PDF file, or every one below a folder, as a document of numbered pages; says how many have no text.

    Raises:
        InputError: pypdfium2 is missing, or a file is no PDF or locked by a password, which it names; or no page has
            text.
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
        raise InputError(f"{line}; recognize the text of scanned pages first (OCR)")
    if without:
        more = f" and {len(without) - MOST_NAMED:,} more files" if len(without) > MOST_NAMED else ""
        say(f"{line}; without: {', '.join(without[:MOST_NAMED])}{more}")


def _page_texts(path: str) -> list[list[Line]]:
    """The lines of each page."""
    try:
        import pypdfium2
    except ImportError:
        raise InputError(f"{path}: PDF needs pypdfium2; pip install 'keras_negaposi[pdf]'") from None
    content = read_bytes(path)
    if not content:
        raise InputError(f"{path}: the file is empty; leave it out")
    try:
        with pypdfium2.PdfDocument(content) as pdf:
            return [page_lines(page.get_textpage().get_text_bounded()) for page in pdf]
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InputError(f"{path}: locked by a password; save it without one") from None
        raise InputError(f"{path}: not a PDF that can be read, or one without pages ({error})") from None


def page_lines(text: str) -> list[Line]:
    """A page's lines, words that a hyphen cut and Japanese sentences that a line break cut made whole again."""
    lines = [line.text for line in plain_lines(_CONTROL.sub("", _HYPHEN.sub("", text)).translate(_RADICALS))]
    joined: list[str] = []
    start = 0
    for stop, line in enumerate(lines, 1):
        if line.endswith(_SENTENCE_END):
            joined += _sentence_joined(lines[start:stop])
            start = stop
    return [Line(line) for line in (*joined, *lines[start:])]


def _sentence_joined(lines: list[str]) -> list[str]:
    """The lines, the last of which ends a sentence, put together with those before it that are parts of it for sure.

    Slides have items, a line each, without a full stop. So a line is a part only where the column is full: it is long,
    all such lines are equally long, and no longer one ends the sentence.
    """
    if len(lines) < 2:
        return lines
    first, full = len(lines) - 1, _width(lines[-2])
    if full >= max(2 * WRAPPED, _width(lines[-1]) - SLACK):
        while first and _is_cut(lines[first - 1], lines[first]) and abs(_width(lines[first - 1]) - full) <= SLACK:
            first -= 1
    return [*lines[:first], "".join(lines[first:])]


def _is_cut(line: str, following: str) -> bool:
    return _WITHIN.search(line) is not None and _GOES_ON.match(following) is not None


def _width(line: str) -> int:
    """In columns; a full-width character has two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)

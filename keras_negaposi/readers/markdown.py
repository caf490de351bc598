"""A folder of Markdown notes, with relative links and ``[[wiki links]]``; of a Marp deck each slide is a page.

Parsed by markdown-it-py as CommonMark with tables, footnotes, formulas and what `note_syntax` adds. Front matter,
comments, images, and blocks of code and of formulas are dropped; of HTML the text stays.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from keras_negaposi.readers.document import Document, Line, composed, page_title
from keras_negaposi.readers.folder import find_files, read_note
from keras_negaposi.readers.front_matter import aliases, split_front_matter
from keras_negaposi.readers.html_text import LineCollector, without_urls
from keras_negaposi.readers.note_syntax import link_target, note_syntax

SUFFIXES = (".md", ".markdown")
DEEPEST_BLOCK, DEEPEST_LINK = 200, 20
"""Lists and quotations within each other: what is deeper is dropped. Links and emphases: what is deeper is text."""
_DIVIDER = re.compile(r"\bheadingDivider[ \t]*:[ \t]*([^\n]*)")
_HIGHLIGHT = re.compile(r"(?<!=)==(?!=)")


def read_markdown(path: str) -> Iterator[Document]:
    """Yields every note below the folder, in the order of their paths; the title is the path without its suffix.

    A note's first line is its name, unless its text begins with it. A deck's pages are its slides.

    Raises:
        InputError: a note is not UTF-8 or too large; names it.
    """
    parser = note_parser()
    for relative, full in find_files(path, SUFFIXES):
        title = composed(posixpath.splitext(relative)[0])
        properties, text = split_front_matter(re.sub("\r\n?", "\n", read_note(full)))
        slides = str(properties.get("marp")).lower() == "true"
        pages = parse_note(parser, text, _dividers(properties, text) if slides else ())
        name = posixpath.basename(title)
        if not slides and (not pages[0] or composed(pages[0][0].text) != name):
            pages[0].insert(0, Line(name))
        page_titles = [page_title(title, number) for number in range(len(pages))] if slides else None
        yield Document(title, pages, page_titles, file=relative, aliases=aliases(properties), is_path=True)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return True  # a link of any scheme is a link; only its text is used


def note_parser() -> MarkdownIt:
    """The parser for `parse_note`."""
    parser = _Markdown("commonmark").enable(["table", "strikethrough"])
    for rule, deepest in (("block", DEEPEST_BLOCK), ("inline", DEEPEST_LINK)):  # one option serves both
        parser.core.ruler.before(rule, f"deepest_{rule}", partial(_set_deepest, deepest))
    parser.use(footnote_plugin, move_to_end=False)
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    return parser.use(note_syntax)


def _set_deepest(deepest: int, state: StateCore) -> None:
    state.md.options["maxNesting"] = deepest


def parse_note(parser: MarkdownIt, text: str, dividers: Collection[str] = ()) -> list[list[Line]]:
    """The lines of a note: one a heading, paragraph, list item and table cell; its line breaks are kept.

    Args:
        parser: of `note_parser`.
        text: Markdown without front matter.
        dividers: tags between pages: a ruler ``hr`` ends a page, a heading such as ``h1`` begins one.

    Returns:
        The pages; one if there are no dividers.
    """
    env: dict[str, dict] = {}
    pages: list[list[Line]] = [[]]
    for token in parser.parse(text, env):
        if token.level == 0 and token.nesting >= 0 and token.tag in dividers and (pages[-1] or token.tag == "hr"):
            pages.append([])
        if token.type == "inline":
            pages[-1] += _inline_lines(token.children or (), env.get("footnotes", {}).get("list", {}))
        elif token.type == "html_block":
            html = LineCollector()
            html.block(token.content)
            pages[-1] += html.lines
    return pages


def _dividers(properties: Mapping[object, object], text: str) -> set[str]:
    """What separates Marp's slides: rulers, and headings by the directive headingDivider (a level, or several)."""
    comments = re.findall(r"<!--.*?(?:-->|\Z)", text, re.DOTALL)
    directives = [found[1] for comment in comments for found in _DIVIDER.finditer(comment)]
    directive = directives[-1] if directives else str(properties.get("headingDivider"))
    levels = [int(level) for level in re.findall("[1-6]", directive)]
    if len(levels) == 1 and "[" not in directive:
        levels = list(range(1, levels[0] + 1))
    return {"hr", *(f"h{level}" for level in levels)}


def _inline_lines(tokens: Sequence[Token], footnotes: Mapping[int, Mapping]) -> list[Line]:
    """The lines of a paragraph; after them those of the footnotes that are written within it."""
    collector = LineCollector()
    targets: list[str | None] = []
    after: list[Line] = []
    for token, content in zip(tokens, _without_highlights(tokens), strict=True):
        if token.type in ("softbreak", "hardbreak"):
            collector.end_line()
        elif token.type == "link_open":
            targets.append(token.meta["target"] if token.meta else link_target(str(token.attrs.get("href", ""))))
        elif token.type == "link_close":
            targets.pop()
        elif token.type in ("text", "code_inline", "math_inline", "math_inline_double"):
            text = without_urls(content) if token.type == "text" else content
            collector.text(text, targets[-1] if targets else None)
        elif token.type == "html_inline":
            collector.tag(content)
        elif token.type == "footnote_ref":
            after += _inline_lines(footnotes[token.meta["id"]].get("tokens") or (), footnotes)
    collector.end_line()
    return collector.lines + after


def _without_highlights(tokens: Sequence[Token]) -> list[str]:
    """The contents of the tokens without the marks of ``==highlighted text==``."""
    marks: list[set[int]] = [set() for _ in tokens]
    opened: tuple[int, int] | None = None
    for number, token in enumerate(tokens):
        text = token.content
        for mark in _HIGHLIGHT.finditer(text) if token.type == "text" else ():
            if opened and (mark.start() == 0 or not text[mark.start() - 1].isspace()):
                marks[opened[0]].add(opened[1])
                marks[number].add(mark.start())
                opened = None
            elif mark.end() == len(text) or not text[mark.end()].isspace():
                opened = number, mark.start()
    return [
        _cut(token.content, starts) if starts else token.content for token, starts in zip(tokens, marks, strict=True)
    ]


def _cut(text: str, starts: Collection[int]) -> str:
    return _HIGHLIGHT.sub(lambda mark: "" if mark.start() in starts else mark[0], text)

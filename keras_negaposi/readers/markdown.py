"""Reads a folder of Markdown notes, with relative links and ``[[wiki links]]``. Each slide of a Marp deck is a page.

markdown-it-py parses the notes as CommonMark with tables, footnotes, formulas and the rules in `note_syntax`. Front
matter, comments, images, code blocks and formula blocks are dropped. Of HTML, the text is kept.
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
"""Nesting limits. Deeper lists and quotations are dropped; deeper links and emphases are text."""
_DIVIDER = re.compile(r"\bheadingDivider[ \t]*:[ \t]*([^\n]*)")
_HIGHLIGHT = re.compile(r"(?<!=)==(?!=)")


def read_markdown(path: str) -> Iterator[Document]:
    """Yields the notes in a folder and its subfolders, ordered by path. A title is the path without its suffix.

    The first line of a note is its name, unless the text begins with it. The pages of a deck are its slides.

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
        return True  # accept links of any scheme, since only their text is used


def note_parser() -> MarkdownIt:
    """Returns the parser for `parse_note`."""
    parser = _Markdown("commonmark").enable(["table", "strikethrough"])
    for rule, deepest in (("block", DEEPEST_BLOCK), ("inline", DEEPEST_LINK)):  # one option limits both
        parser.core.ruler.before(rule, f"deepest_{rule}", partial(_set_deepest, deepest))
    parser.use(footnote_plugin, move_to_end=False)
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    return parser.use(note_syntax)


def _set_deepest(deepest: int, state: StateCore) -> None:
    state.md.options["maxNesting"] = deepest


def parse_note(parser: MarkdownIt, text: str, dividers: Collection[str] = ()) -> list[list[Line]]:
    """Parses a note into lines: one for each heading, paragraph, list item and table cell. Line breaks are kept.

    Args:
        parser: the result of `note_parser`.
        text: Markdown without front matter.
        dividers: tags that separate pages. A thematic break (``hr``) ends a page; a heading (``h1``) begins one.

    Returns:
        The lines of each page; one page without dividers.
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
    """Returns the tags that separate Marp slides: thematic breaks, and the headings that headingDivider names."""
    comments = re.findall(r"<!--.*?(?:-->|\Z)", text, re.DOTALL)
    directives = [found[1] for comment in comments for found in _DIVIDER.finditer(comment)]
    directive = directives[-1] if directives else str(properties.get("headingDivider"))
    levels = [int(level) for level in re.findall("[1-6]", directive)]
    # One level includes the levels above it; a list does not
    if len(levels) == 1 and "[" not in directive:
        levels = list(range(1, levels[0] + 1))
    return {"hr", *(f"h{level}" for level in levels)}


def _inline_lines(tokens: Sequence[Token], footnotes: Mapping[int, Mapping]) -> list[Line]:
    """Returns the lines of a paragraph, followed by those of its inline footnotes."""
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
    """Returns the contents of the tokens without the marks of ``==highlighted text==``."""
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

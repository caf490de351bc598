"""A folder of Markdown notes, with relative links and ``[[wiki links]]``.

Parsed as CommonMark with tables by markdown-it-py. Front matter, code, HTML and images are dropped.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from keras_negaposi.sources.document import Document, Line, LineBuilder
from keras_negaposi.sources.folder import find_files, read_note

SUFFIXES = (".md", ".markdown")
_WIKI = re.compile(r"(?P<embed>!?)\[\[(?P<target>[^\[\]|#\n]*)(#[^\[\]|\n]*)?(\|(?P<alias>[^\[\]\n]*))?\]\]")
_URL = re.compile(r"https?://\S+")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


def read_markdown(path: str) -> Iterator[Document]:
    """Yields every note below the folder, in the order of their paths; the title is the path without its suffix.

    A note's first line is its name, unless its text begins with it.

    Raises:
        InputError: a note is not UTF-8 or too large; names it.
    """
    parser = _parser()
    for relative, full in find_files(path, SUFFIXES):
        title = posixpath.splitext(relative)[0]
        lines = parse_note(parser, read_note(full), posixpath.dirname(relative))
        name = posixpath.basename(title)
        if not lines or lines[0].text != name:
            lines.insert(0, Line(name))
        yield Document(title, [lines], file=relative)


def parse_note(parser: MarkdownIt, text: str, folder: str) -> list[Line]:
    """A note's text as lines: one a heading, paragraph, list item and table cell; its line breaks are kept.

    Args:
        parser: of `_parser`.
        text: Markdown.
        folder: of the note, to which its relative links are relative.
    """
    lines = []
    for block in parser.parse(_without_front_matter(text)):
        if block.type != "inline":
            continue
        builder = LineBuilder()
        targets: list[str | None] = []
        for token in block.children or ():
            target = next((found for found in reversed(targets) if found), None)
            if token.type in ("softbreak", "hardbreak"):
                lines.append(builder.line())
                builder = LineBuilder()
            elif token.type == "link_open":
                targets.append(_relative(str(token.attrs.get("href", "")), folder))
            elif token.type == "link_close":
                targets.pop()
            elif token.type == "wiki_link":
                builder.add(token.content, target=token.meta["target"])
            elif token.type == "text":
                builder.add(_URL.sub("", token.content), target=target)
            elif token.type == "code_inline":
                builder.add(token.content, target=target)
        lines.append(builder.line())
    return [line for line in lines if line.text]


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.inline.ruler.before("link", "wiki_link", _wiki_link)
    parser.inline.ruler.before("image", "wiki_embed", _wiki_link)
    return parser


def _wiki_link(state: StateInline, silent: bool) -> bool:
    """Takes ``[[page]]``, ``[[page#heading|shown]]`` and, to drop it, ``![[embedded]]``."""
    found = _WIKI.match(state.src, state.pos, state.posMax)
    if not found or not (found["target"].strip() or found["alias"]):
        return False
    if not silent and not found["embed"]:
        token = state.push("wiki_link", "", 0)
        token.content = (found["alias"] or found["target"]).strip()
        token.meta = {"target": found["target"].strip() or None}
    state.pos = found.end()
    return True


def _relative(href: str, folder: str) -> str | None:
    """The note that a link leads to, as a path from the notes' folder, or ``None`` where it leads elsewhere."""
    path = unquote(href.split("#")[0])
    if not path or _SCHEME.match(path):
        return None
    joined = posixpath.normpath(path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path))
    stem, suffix = posixpath.splitext(joined)
    return stem if suffix.lower() in SUFFIXES else joined


def _without_front_matter(text: str) -> str:
    """The text after a leading block between lines of three dashes."""
    found = re.match(r"\ufeff?---[ \t]*\n.*?^(---|\.\.\.)[ \t]*$\n?", text, re.DOTALL | re.MULTILINE)
    return text[found.end() :] if found else text

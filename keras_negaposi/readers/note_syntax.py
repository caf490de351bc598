"""The Markdown extensions of Obsidian and Foam, as rules of markdown-it.

Links ``[[page#heading|text]]`` with link definitions, embeds ``![[page]]``, comments ``%%hidden%%``, block names
``^name``, callouts ``> [!note] title`` and tasks ``- [ ] text``. See https://help.obsidian.md/syntax and
https://docs.foamnotes.com.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

_WIKI = re.compile(
    r"(?P<embed>!?)\[\[(?P<target>[^\[\]|#\n]*)(?P<heading>#[^\[\]|\n]*)?"
    r"(?:\|(?P<shown>(?:[^\[\]\n]|\[[^\[\]\n]*\])*))?\]\]"
)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
_CALLOUT = re.compile(r"\[![^\[\]\n]+\][+-]?[ \t]*")
_TASK = re.compile(r"\[[xX !-/:-@^_`{-~]\](?:[ \t]+|(?=\n|\Z))")
_BLOCK_NAME = re.compile(r"\^[A-Za-z0-9-]+\s*\Z")
_COMMENT = "%%"


def note_syntax(parser: MarkdownIt) -> None:
    """Adds the rules to a parser. In each ``link_open`` token, ``meta["target"]`` is the link's `link_target`."""
    parser.block.ruler.before(
        "fence", "comment", _comment_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.block.ruler.at("reference", _reference)
    parser.inline.ruler.before("link", "wiki_link", _wiki_link)
    parser.inline.ruler.before("image", "wiki_embed", _wiki_link)
    parser.inline.ruler.push("comment", _comment)
    parser.core.ruler.after("block", "markers", _strip_markers)


def link_target(href: str) -> str | None:
    """Returns the path of a Markdown link, beginning with ``./`` or ``../`` if it is relative; ``None`` for a URL."""
    path = unquote(href.split("#")[0]).rstrip("/")
    if not path or _SCHEME.match(href):
        return None
    return path if path.startswith(("/", "./", "../")) else f"./{path}"


def _wiki_link(state: StateInline, silent: bool) -> bool:
    """Parses a wiki link, and drops an embed. A link without a page leads to a heading of the same note."""
    found = _WIKI.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    target = found["target"].removesuffix("\\").strip()
    heading = (found["heading"] or "").removesuffix("\\").strip("# ")
    if not (target or heading or found["shown"]):
        return False
    # Write the tokens; Markdown in the shown text is parsed
    if not silent and not found["embed"]:
        defined = state.env.get("references", {}).get(normalizeReference(target))
        opened = state.push("link_open", "a", 1)
        opened.meta = {"target": link_target(defined["href"]) if defined else target or None}
        if found["shown"]:
            state.pos, end, state.posMax = found.start("shown"), state.posMax, found.end("shown")
            state.md.inline.tokenize(state)
            state.posMax = end
        else:
            text = state.push("text", "", 0)
            text.content = target or ("" if heading.startswith("^") else heading.replace("#", " > "))
        state.push("link_close", "a", -1)
    state.pos = found.end()
    return True


def _comment(state: StateInline, silent: bool) -> bool:
    """Skips a comment within a paragraph."""
    if not state.src.startswith(_COMMENT, state.pos):
        return False
    end = state.src.find(_COMMENT, state.pos + 2, state.posMax)
    if end >= 0:
        state.pos = end + 2
    return end >= 0


def _comment_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Skips a comment that begins a line and ends on a later one. Text after it is kept."""
    start = state.bMarks[start_line] + state.tShift[start_line]
    if not state.src.startswith(_COMMENT, start) or state.is_code_block(start_line):
        return False
    end = state.src.find(_COMMENT, start + 2, state.eMarks[end_line - 1])
    if end <= state.eMarks[start_line]:
        return False
    if silent:
        return True
    # Continue with what follows on the last line of the comment
    line = next(line for line in range(start_line, end_line) if end < state.eMarks[line])
    rest = state.src[end + 2 : state.eMarks[line]]
    state.bMarks[line] = end + 2
    state.tShift[line] = len(rest) - len(rest.lstrip(" \t"))
    state.sCount[line] = state.blkIndent
    state.line = line if rest.strip() else line + 1
    return True


def _reference(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parses a link definition. One that looks like a footnote definition is text."""
    start = state.bMarks[start_line] + state.tShift[start_line]
    return not state.src.startswith("[^", start) and reference(state, start_line, end_line, silent)


def _strip_markers(state: StateCore) -> None:
    """Removes callout types, task boxes and block names from the text, before inline parsing."""
    before = ("", "")
    for token in state.tokens:
        if token.type == "inline":
            if before == ("blockquote_open", "paragraph_open"):
                token.content = _CALLOUT.sub("", token.content, 1) if token.content[:2] == "[!" else token.content
            elif before == ("list_item_open", "paragraph_open"):
                box = _TASK.match(token.content)
                token.content = token.content[box.end() :] if box else token.content
            token.content = _without_block_name(token.content)
        before = (before[1], token.type)


def _without_block_name(text: str) -> str:
    start = text.rfind("^")
    named = start >= 0 and _BLOCK_NAME.match(text, start) and not text[:start][-1:].strip()
    return text[:start].rstrip() if named else text

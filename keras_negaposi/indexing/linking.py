"""Suggestions as links to paste into a page: a document each."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from keras_negaposi.indexing.search import Suggestion
from keras_negaposi.splits import Documents

ALL = 1000
"""Pages that are looked through for enough different documents."""


def linked_pages(
    titles: Iterable[str], pages: Iterable[str], links: set[tuple[str, str]], documents: Documents
) -> set[str]:
    """The pages of A's own document, and of every document that one of its pages is known to link to."""
    own = {documents(title) for title in titles}
    linked = own | {documents(b) for a, b in links if documents(a) in own}
    return {page for page in pages if documents(page) in linked}


def first_of_documents(suggestions: Iterable[Suggestion], documents: Documents) -> list[Suggestion]:
    """The best page of each document."""
    best: dict[str, Suggestion] = {}
    for suggestion in suggestions:
        best.setdefault(documents(suggestion.title), suggestion)
    return list(best.values())


def as_scrapbox(suggestions: Sequence[Suggestion], documents: Documents, title: str | None) -> str:
    """A line ``[page]`` each; a title that brackets cannot hold is written as it is."""
    names = [documents(suggestion.title) for suggestion in suggestions]
    return "\n".join(name if re.search(r"[\[\]]", name) else f"[{name}]" for name in names)


def as_markdown(suggestions: Sequence[Suggestion], documents: Documents, title: str | None) -> str:
    """A list item ``[name](path.md)`` each, relative to the folder of A's note."""
    folder = posixpath.dirname(documents(title)) if title is not None else ""
    lines = []
    for suggestion in suggestions:
        note = documents(suggestion.title)
        shown = re.sub(r"([\[\]\\])", r"\\\1", posixpath.basename(note))
        lines.append(f"- [{shown}]({quote(posixpath.relpath(note, folder or '.'))}.md)")
    return "\n".join(lines)


LINKS = {"scrapbox": as_scrapbox, "markdown": as_markdown}

"""Adjacent pages: two pages of one document with consecutive page numbers."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

MASK = "〓"
"""Replaces the name of the page that a text links to (in print, the mark for a missing character)."""
_NUMBER = re.compile(r"\d+")
_MINUS = re.compile(r"\W[-−]$")
MOST_DIGITS = 15
"""A longer number is an identifier, not a page number."""


@dataclasses.dataclass(frozen=True)
class Adjacency:
    """The adjacent pages of a corpus, and counts of the pages that have no place in the order.

    Attributes:
        pairs: (page, next page), by document in the order of their first pages, then by page number.
        unnumbered: number of pages without a page number, in documents of several pages.
        ambiguous: number of pages that share their page number with another page of their document.
    """

    pairs: list[tuple[str, str]]
    unnumbered: int = 0
    ambiguous: int = 0

    def describe(self) -> str:
        """Returns what was left out, for the user; empty if nothing was."""
        counted = (
            (self.unnumbered, "have no page number in their titles"),
            (self.ambiguous, "have the page number of another page of their document"),
        )
        left_out = " and ".join(f"{count:,} pages {reason}" for count, reason in counted if count)
        return left_out and f"{left_out}: these pages are in no pair of adjacent pages"


def is_masked(title: str) -> bool:
    """Returns whether the title is that of a masked copy: the text of a page with its links masked."""
    return title.endswith(f" {MASK}")


def page_of(title: str) -> str:
    """Returns the title of the page itself, given its title or that of its masked copy."""
    return title.removesuffix(f" {MASK}")


def adjacency(titles: Iterable[str], document: Callable[[str], str]) -> Adjacency:
    """Finds the adjacent pages; the order of ``titles`` does not matter.

    The page number is the only number in a title without the document's name. Two pages are adjacent if their numbers
    differ by one, no other page of the document has either number, and their titles are otherwise equal. Masked copies
    are ignored.

    Args:
        titles: titles of the full corpus; without a page, its neighbours would not be adjacent to anything.
        document: returns the document of a title.
    """
    documents: dict[str, list[str]] = {}
    for title in titles:
        if not is_masked(title):
            documents.setdefault(document(title), []).append(title)
    parts = [_in_document(name, members) for name, members in documents.items() if len(members) > 1]
    return Adjacency(
        [pair for part in parts for pair in part.pairs],
        sum(part.unnumbered for part in parts),
        sum(part.ambiguous for part in parts),
    )


def _in_document(name: str, titles: Sequence[str]) -> Adjacency:
    """Returns the adjacent pages of one document."""
    places = {title: place for title, around in _around(name, titles) if (place := _place(*around)) is not None}
    shared = Counter(number for number, _ in places.values())
    pages = {place: title for title, place in places.items() if shared[place[0]] == 1}
    pairs = [
        (pages[number, rest], pages[number + 1, rest]) for number, rest in sorted(pages) if (number + 1, rest) in pages
    ]
    return Adjacency(pairs, len(titles) - len(places), len(places) - len(pages))


def _around(name: str, titles: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yields each title with the text before and after the document's name in it."""
    first = all(title.startswith(name) for title in titles)
    last = not first and all(title.endswith(name) for title in titles)
    for title in titles:
        cut = title.rpartition if last else title.partition
        before, _, after = cut(name) if name else ("", "", title)
        yield title, (before, after)


def _place(before: str, after: str) -> tuple[int, tuple[str, str, str]] | None:
    """Returns the page number and the rest of the title, or ``None`` if the number is not clear.

    Args:
        before: text before the document's name.
        after: text after it.
    """
    behind = bool(_NUMBER.search(after))
    text, other = (after, before) if behind else (before, after)
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1 or len(numbers[0]) > MOST_DIGITS:
        return None
    head, tail = text.split(numbers[0])
    if _MINUS.search(("x" if behind else " ") + head):  # a minus directly after the name is a separator
        return None
    return int(numbers[0]), (head, tail, other)

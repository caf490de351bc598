"""Which page comes next after which: the one with the next page number in the same document."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

MASK = "〓"
"""Stands where a text named the page that it links to: the printer's sign for a character that is missing."""
_NUMBER = re.compile(r"\d+")
_MINUS = re.compile(r"\W[-−]$")
MOST_DIGITS = 15
"""A longer number is an identifier, not a page number."""


@dataclasses.dataclass(frozen=True)
class Adjacency:
    """The adjacent pages of a corpus, and the pages that have no place in the order.

    Attributes:
        pairs: (page, next page), by document in the order of its first page, then by page number.
        unnumbered: pages without a page number, in documents of several pages.
        ambiguous: pages whose number another page of their document has, too.
    """

    pairs: list[tuple[str, str]]
    unnumbered: int = 0
    ambiguous: int = 0

    def describe(self) -> str:
        """What was left out, for the user; empty if nothing was."""
        counted = (
            (self.unnumbered, "have no page number in their titles"),
            (self.ambiguous, "have the page number of another page of their document"),
        )
        left_out = " and ".join(f"{count:,} pages {reason}" for count, reason in counted if count)
        return left_out and f"{left_out}: none of them counts as a next page or has one"


def is_masked(title: str) -> bool:
    """Whether the title is of a copy whose link is masked, which `pairs` stores next to the page."""
    return title.endswith(f" {MASK}")


def page_of(title: str) -> str:
    """The page's own title, also of its masked copy."""
    return title.removesuffix(f" {MASK}")


def adjacency(titles: Iterable[str], document: Callable[[str], str]) -> Adjacency:
    """Finds the adjacent pages; the order of ``titles`` does not matter.

    The page number is the only number in what the document's name leaves of a title. Two pages are adjacent where their
    numbers differ by one, no other page of the document has either number, and their titles are otherwise equal. A
    masked copy is no page.

    Args:
        titles: of the full corpus. Of a part of it, pages next to a missing one would have no next page, either.
        document: of a title.
    """
    documents: dict[str, list[str]] = {}
    for title in titles:
        if not is_masked(title):
            documents.setdefault(document(title), []).append(title)
    found = [_in_document(name, members) for name, members in documents.items() if len(members) > 1]
    return Adjacency(
        [pair for one in found for pair in one.pairs],
        sum(one.unnumbered for one in found),
        sum(one.ambiguous for one in found),
    )


def _in_document(name: str, titles: Sequence[str]) -> Adjacency:
    places = {title: place for title, around in _around(name, titles) if (place := _place(*around)) is not None}
    shared = Counter(number for number, _ in places.values())
    pages = {place: title for title, place in places.items() if shared[place[0]] == 1}
    pairs = [
        (pages[number, rest], pages[number + 1, rest]) for number, rest in sorted(pages) if (number + 1, rest) in pages
    ]
    return Adjacency(pairs, len(titles) - len(places), len(places) - len(pages))


def _around(name: str, titles: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each title with what stands before and after the document's name in it."""
    first = all(title.startswith(name) for title in titles)
    last = not first and all(title.endswith(name) for title in titles)
    for title in titles:
        cut = title.rpartition if last else title.partition
        before, _, after = cut(name) if name else ("", "", title)
        yield title, (before, after)


def _place(before: str, after: str) -> tuple[int, tuple[str, str, str]] | None:
    """The page number, and the rest of what stands around the document's name; ``None`` without a clear number."""
    behind = bool(_NUMBER.search(after))
    text, other = (after, before) if behind else (before, after)
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1 or len(numbers[0]) > MOST_DIGITS:
        return None
    head, tail = text.split(numbers[0])
    if _MINUS.search(("x" if behind else " ") + head):  # a minus right behind the name only separates
        return None
    return int(numbers[0]), (head, tail, other)

"""What may be a positive: the next page of a document, and the page that a link leads to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from keras_negaposi.sources.document import Link

MASK = "〓"
"""Stands where A named the page that it links to: the printer's sign for a character that is missing."""


SHORTEST_NAME = 2
"""Characters of a title that is masked wherever it occurs, not only in the link."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Titles of A and of the B that comes next after it.

    Attributes:
        a: title of the page that is A.
        b: title of the next page, or of the first page of the document that A links to.
        hidden: A's links to B's document; none where B is the next page.
        names: what that document is called.
    """

    a: str
    b: str
    hidden: tuple[Link, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def a_title(self) -> str:
        """A's title among the texts: a masked text is not the page's. Its document can be found in it all the same."""
        return f"{self.a} {MASK}" if self.hidden else self.a

    def a_text(self, text: str) -> str:
        """What is A, given the page's text: nothing in it names B's document."""
        return mask_links(text, self.hidden, self.names)


def mask_links(text: str, hidden: Sequence[Link], names: Iterable[str]) -> str:
    """The text with `MASK` for the links, and wherever else one of the names occurs."""
    for link in sorted(hidden, key=lambda link: -link.start):
        text = text[: link.start] + MASK + text[link.end :]
    longest_first = sorted((name for name in names if len(name) >= SHORTEST_NAME), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), MASK, text, flags=re.IGNORECASE) if longest_first else text


def match_once(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """Some of the candidates, drawn so that every page is A at most once and B at most once."""
    order = np.random.default_rng(seed).permutation(len(candidates))
    used_a: set[str] = set()
    used_b: set[str] = set()
    chosen = []
    for candidate in (candidates[i] for i in order):
        if candidate.a not in used_a and candidate.b not in used_b:
            used_a.add(candidate.a)
            used_b.add(candidate.b)
            chosen.append(candidate)
    return chosen

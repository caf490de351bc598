"""Candidates for positive pairs: a page and the next one, or a page and the document that it links to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_negaposi.data.adjacency import MASK
from keras_negaposi.pair_generation.masking import mask_links
from keras_negaposi.readers.document import Link


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A possible positive pair.

    Attributes:
        a: title of the page that is A.
        b: title of the next page, or of the first page of the document that A links to.
        hidden: A's links to B's document, which are masked; empty if B is the next page.
        names: all names of B's document, which are masked too.
    """

    a: str
    b: str
    hidden: tuple[Link, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def a_title(self) -> str:
        """Returns A's title in the output: a masked copy gets its own title, which still contains the document's."""
        return f"{self.a} {MASK}" if self.hidden else self.a

    def a_text(self, text: str) -> str:
        """Returns the text of A: the page's text without the links and names of B's document."""
        return mask_links(text, self.hidden, self.names)


def match_once(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """Chooses candidates at random so that every page is A at most once and B at most once."""
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

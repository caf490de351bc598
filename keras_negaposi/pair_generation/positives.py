"""What may be a positive: the next page of a document, and the page that a link leads to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_negaposi.data.adjacency import MASK
from keras_negaposi.pair_generation.masking import mask_links
from keras_negaposi.readers.document import Link


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

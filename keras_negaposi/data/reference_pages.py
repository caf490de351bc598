"""The pages of a corpus with which texts are compared, and how dense they are around a text.

Some texts are close to many pages, because they say what many pages say, so their closeness to one page means little
(hubness; Radovanovic et al. 2010). CSLS therefore subtracts each text's mean cosine with its nearest neighbours from a
cosine (Conneau et al. 2018, arXiv 1710.04087). Here, these means get fitted weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

MOST_PAGES = 50_000
"""Of a larger corpus, as many pages are used."""
NEAREST = 3
"""Number of the nearest pages whose cosines make the density of a text."""


def evenly_spaced(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Returns at most ``most`` items, evenly spaced; all if there are not more."""
    return items[:: max(1, -(-len(items) // most))]


def densities_by(cosines: np.ndarray) -> np.ndarray:
    """Returns the density of texts: the mean of their `NEAREST` highest cosines but one, ``float [texts]``.

    The very nearest page does not count: for a page of the corpus, it is the page itself.

    Args:
        cosines: of each text with each page, ``float [texts, pages]``; more than one page.
    """
    count = min(NEAREST + 1, cosines.shape[1])
    nearest = -np.partition(-cosines, count - 1, axis=1)[:, :count]
    return (nearest.sum(axis=1) - nearest.max(axis=1)) / (count - 1)

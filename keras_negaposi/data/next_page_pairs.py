"""Pairs that label themselves: a document's next page follows, another document's page does not.

What the next sentence prediction of BERT's pre-training (Devlin et al. 2019, arXiv 1810.04805) is to sentences, on the
user's own pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_negaposi.data.hard_negatives import like_documents
from keras_negaposi.data.negative_sampling import halves, match_negatives, with_texts_of
from keras_negaposi.data.pairs import Pair

HARD_SHARE = 2 / 3
"""Of the negatives: B is from a document like A's."""


def draw_next_pages(
    texts: Mapping[str, str],
    adjacent: Sequence[tuple[str, str]],
    document: Callable[[str], str],
    known: set[tuple[str, str]],
    count: int | None = None,
    hard_share: float = HARD_SHARE,
    seed: int = 0,
) -> list[Pair]:
    """Labelled pairs of pages; every page is A at most once and B at most once, so neither alone tells the label.

    Half of the pages that have a next one are positives with it. The others become A of the negatives, and the pages
    next to them their B, each given to another A.

    Args:
        texts: title -> text of the pages that may be in a pair.
        adjacent: (page, next page) of the full corpus, as `adjacency` finds them; those not in ``texts`` are left out.
        document: of a title.
        known: pairs (A, B) that are not to be drawn.
        count: how many pairs; all that there are if ``None``.
        hard_share: share of the negatives whose B is from a document like A's.
        seed: of every draw.

    Returns:
        As many positives as negatives, in random order; fewer than ``count`` where there are no more.
    """
    rng = np.random.default_rng(seed)
    adjacent = [(a, b) for a, b in adjacent if a in texts and b in texts]
    candidates = [pair for pair in adjacent if pair not in known]
    positives, others = halves([candidates[i] for i in rng.permutation(len(candidates))], count)
    in_order = with_texts_of(adjacent, texts)

    def allowed(a: str, b: str) -> bool:
        return document(a) != document(b) and (a, b) not in known and not in_order(a, b)

    negatives = match_negatives(
        [a for a, _ in others],
        [b for _, b in others],
        allowed,
        like_documents(texts, document, (b for _, b in others)),
        document,
        hard_share,
        seed,
    )[: len(positives)]
    pairs = [Pair(a, b, 1) for a, b in positives[: len(negatives)]] + [Pair(a, b, 0) for a, b in negatives]
    return [pairs[i] for i in rng.permutation(len(pairs))]

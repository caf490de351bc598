"""Self-labelled pairs: a document's next page is a positive, another document's page a negative.

This is the next sentence prediction of BERT's pre-training (Devlin et al. 2019, arXiv 1810.04805), with the user's own
pages in place of sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_negaposi.data.hard_negatives import similar_documents
from keras_negaposi.data.negative_sampling import same_texts_as, sample_balanced
from keras_negaposi.data.pairs import Pair

HARD_SHARE = 2 / 3
"""Share of the negatives whose B is from a document similar to A's."""


def sample_next_pages(
    texts: Mapping[str, str],
    adjacent: Sequence[tuple[str, str]],
    document: Callable[[str], str],
    known: set[tuple[str, str]],
    count: int | None = None,
    hard_share: float = HARD_SHARE,
    seed: int = 0,
) -> list[Pair]:
    """Samples labelled pairs of pages; every page is A at most once and B at most once, so neither tells the label.

    Half of the pages that have a next page are positives with it. The others become A of the negatives, and their next
    pages become B, each with another A.

    Args:
        texts: title -> text of the pages that may be in a pair.
        adjacent: (page, next page) of the full corpus, as `adjacency` returns them; pages outside ``texts`` are
            ignored.
        document: returns the document of a title.
        known: pairs (A, B) that must not be sampled.
        count: number of pairs; ``None`` for as many as possible.
        hard_share: share of the negatives whose B is from a document similar to A's.
        seed: random seed.

    Returns:
        As many positives as negatives, in random order; fewer than ``count`` if there are not enough pages.
    """
    rng = np.random.default_rng(seed)
    adjacent = [(a, b) for a, b in adjacent if a in texts and b in texts]
    candidates = [pair for pair in adjacent if pair not in known]
    candidates = [candidates[i] for i in rng.permutation(len(candidates))]
    like_a_positive = same_texts_as(adjacent, texts)

    def allowed(a: str, b: str) -> bool:
        return document(a) != document(b) and (a, b) not in known and not like_a_positive(a, b)

    near = similar_documents(texts, document)
    positives, negatives = sample_balanced(candidates, count, allowed, near, document, hard_share, seed)
    pairs = [Pair(a, b, 1) for a, b in positives] + [Pair(a, b, 0) for a, b in negatives]
    return [pairs[i] for i in rng.permutation(len(pairs))]

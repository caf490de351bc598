"""Leakage audit: how much of the test part was seen in training, and the accuracy on that and on the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.cli import say
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.tfidf import HASHED_FROM, all_cosines, have_close_text, tfidf_rows
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, interval

NEAR = 0.8
"""Two texts are near-duplicates if the cosine of their TF-IDF character 5-grams is at least this."""
MEASURED = 1000
"""Texts that are also compared with all others, where these are many."""
SAME_TEXT, NEAR_TEXT = "A's or B's text on another page", "near-duplicate of A's or B's text"


@dataclasses.dataclass(frozen=True)
class TrainOverlap:
    """The share of test pairs that overlap with training, and the accuracy on these and on the other test pairs.

    The fields are keys of ``metrics.json``.
    """

    share: float
    accuracy_seen: Interval | None
    accuracy_unseen: Interval | None


def audit(
    texts: dict[str, str],
    train: Sequence[Pair],
    test: Sequence[Pair],
    group_pattern: str,
    predictions: Predictions,
    weights: np.ndarray,
) -> dict[str, TrainOverlap]:
    """Computes the overlap of the test pairs with training.

    Args:
        texts: by title.
        train: training pairs.
        test: test pairs.
        group_pattern: regular expression that extracts the document from a title.
        predictions: the model's predictions for the test pairs.
        weights: ``float64 [resamples, test pairs]``, from `bootstrap.document_weights`.

    Returns:
        The overlaps by their keys in ``metrics.json``: the page A or B itself, the document of either, and, for pages
        that are not in training themselves, the same text or a near-duplicate on another page.
    """
    # 1. What training contains.
    pages = {title for pair in train for title in (pair.a, pair.b)}
    documents = {name for ends in documents_of(train, group_pattern) for name in ends}
    trained = {texts[title] for title in pages}
    # 2. Test pages that training does not contain: which have a text that it contains, or one close to it?
    new = {title for pair in test for title in (pair.a, pair.b)} - pages
    same = {title for title in new if texts[title] in trained}
    near_texts = near_duplicates(sorted({texts[title] for title in new - same}), sorted(trained))
    near = {title for title in new - same if texts[title] in near_texts}
    # 3. A column per kind of overlap, ``bool [test pairs]``.
    seen = {
        "page A": [pair.a in pages for pair in test],
        "page B": [pair.b in pages for pair in test],
        "document of A or B": [a in documents or b in documents for a, b in documents_of(test, group_pattern)],
        SAME_TEXT: [pair.a in same or pair.b in same for pair in test],
        NEAR_TEXT: [pair.a in near or pair.b in near for pair in test],
    }
    return {name: _split_accuracy(np.array(column), predictions, weights) for name, column in seen.items()}


def near_duplicates(texts: Sequence[str], others: Sequence[str]) -> set[str]:
    """Returns those of ``texts`` that equal one of ``others`` or have a cosine of at least `NEAR` to one."""
    same = set(texts) & set(others)
    if not texts or not others:
        return same
    rows = tfidf_rows([*texts, *others], len(texts) + len(others), (5, 5))
    queries, rows = rows[: len(texts)], rows[len(texts) :]
    close = have_close_text(queries, rows, NEAR)
    if len(texts) + len(others) >= HASHED_FROM:
        some = np.random.default_rng(0).permutation(len(texts))[:MEASURED]
        compared = np.max([cosines.max(axis=0) for cosines in all_cosines(queries[some], rows)], axis=0) >= NEAR
        say(
            f"near-duplicates are looked up by a sample of n-grams: of {len(some):,} texts compared with all "
            f"{len(others):,}, {compared.sum():,} have one, and {(close[some] & compared).sum():,} of these are found"
        )
    return same | {text for text, is_close in zip(texts, close, strict=True) if is_close}


def _split_accuracy(seen: np.ndarray, predictions: Predictions, weights: np.ndarray) -> TrainOverlap:
    """Computes the accuracy on the pairs that were seen (``bool [pairs]``) and on the others."""

    def of(chosen: np.ndarray) -> Interval | None:
        if not chosen.any():
            return None
        part = Predictions(predictions.labels[chosen], predictions.probabilities[chosen], predictions.threshold)
        return interval(part, weights[:, chosen], accuracy)

    return TrainOverlap(float(seen.mean()), of(seen), of(~seen))

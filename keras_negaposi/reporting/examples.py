"""Test pairs to look at, with their texts, and what kind of error dominates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.baseline_comparison import SIGNIFICANCE_LEVEL
from keras_negaposi.evaluation.bootstrap import Predictions
from keras_negaposi.evaluation.coverage import margins
from keras_negaposi.evaluation.metrics import Scores

SHOWN, MOST_ERRORS = 5, 25
"""Examples that are visible at once, and errors that are on the page at all."""
LONGEST_TEXT = 600
"""Characters of a text that are shown."""
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
_SAME = 0.02
"""Two thresholds that are closer than this are not both shown."""
_ANSWERS = ("does not come next", "comes next")


@dataclasses.dataclass(frozen=True)
class Example:
    """A test pair with a prediction.

    Attributes:
        truth: what is true.
        predicted: what each named model predicts, for example ``comes next (0.97)``; the name may be empty.
        correct: whether the last prediction is correct.
        sides: ``A`` or ``B``, title and text of each.
    """

    truth: str
    predicted: list[tuple[str, str]]
    correct: bool
    sides: list[tuple[str, str, str]]


def example(pair: Pair, texts: Mapping[str, str], row: int, scores: Mapping[str, Scores]) -> Example:
    """Returns a pair with the predictions of some models.

    Args:
        pair: the pair.
        texts: by title.
        row: of the pair in the scores.
        scores: of each model by its name.
    """
    predicted = [
        (name, f"{_ANSWERS[each.predictions[row]]} ({each.probabilities[row]:.3f})") for name, each in scores.items()
    ]
    sides = [(side, title, shorten(texts[title])) for side, title in (("A", pair.a), ("B", pair.b))]
    return Example(_ANSWERS[pair.label], predicted, bool([*scores.values()][-1].correct[row]), sides)


def worst_errors(scores: Scores) -> list[int]:
    """Returns the rows of the incorrect predictions with the largest losses, at most `MOST_ERRORS`."""
    return [int(row) for row in np.argsort(-scores.losses, kind="stable") if not scores.correct[row]][:MOST_ERRORS]


def borderline(scores: Scores) -> list[int]:
    """Returns the rows of the `SHOWN` predictions that are closest to the threshold."""
    return np.argsort(margins(scores), kind="stable")[:SHOWN].tolist()


def typical_correct(scores: Scores) -> list[int]:
    """Returns the rows of `SHOWN` correct predictions, from a confident one to an unsure one."""
    order = [int(row) for row in np.argsort(-margins(scores), kind="stable") if scores.correct[row]]
    places = ((np.arange(SHOWN) + 0.5) / SHOWN * len(order)).astype(int)
    return [order[place] for place in dict.fromkeys(places.tolist())] if order else []


@dataclasses.dataclass(frozen=True)
class Tradeoff:
    """What a threshold would give on the test pairs; precision and recall are ``None`` where they are not defined."""

    threshold: float
    false_positives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    in_use: bool = False


def tradeoffs(predictions: Predictions) -> list[Tradeoff]:
    """Returns what `THRESHOLDS` and the one in use would give, the lowest first."""
    in_use = predictions.threshold
    rows = [_at(predictions, threshold) for threshold in THRESHOLDS if abs(threshold - in_use) > _SAME]
    return sorted([*rows, _in_use(predictions)], key=lambda row: row.threshold)


def errors_in_words(predictions: Predictions) -> str:
    """Returns which kind of error dominates, and what another threshold would change, in one or two sentences."""
    found = _in_use(predictions)
    positives, negatives = found.false_positives, found.false_negatives
    if not positives + negatives:
        return "All predictions are correct."
    counts = f"{_count(positives, 'false positive')}, {_count(negatives, 'false negative')}"
    if binomtest(positives, positives + negatives).pvalue >= SIGNIFICANCE_LEVEL:
        kind = "neither kind of error is clearly more frequent"
    elif positives > negatives:
        kind = "most errors say that B comes next where it does not"
    else:
        kind = "most errors miss a B that does come next"
    others = [row for row in tradeoffs(predictions) if not row.in_use]
    if positives > negatives:
        other = next((row for row in others if row.threshold > found.threshold), None)
    else:
        other = next((row for row in reversed(others) if row.threshold < found.threshold), None)
    if other is None:
        return f"{counts}: {kind}."
    return (
        f"{counts}: {kind}. At a threshold of {other.threshold:.2f} instead of {found.threshold:.2f}, they would be "
        f"{other.false_positives:,} and {other.false_negatives:,}."
    )


def shorten(text: str) -> str:
    """Returns at most `LONGEST_TEXT` characters of a text; a shortened one ends with the number of its characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters)"


def chosen(rows: Sequence[int], pairs: Sequence[Pair], texts: Mapping[str, str], scores: Scores) -> list[Example]:
    """Returns the examples in the given rows of one model's scores."""
    return [example(pairs[row], texts, row, {"": scores}) for row in rows]


def _in_use(predictions: Predictions) -> Tradeoff:
    return dataclasses.replace(_at(predictions, predictions.threshold), in_use=True)


def _at(predictions: Predictions, threshold: float) -> Tradeoff:
    ones, predicted = predictions.labels == 1, predictions.probabilities > threshold
    both, positives = int((ones & predicted).sum()), int(predicted.sum())
    return Tradeoff(
        threshold,
        false_positives=positives - both,
        false_negatives=int(ones.sum()) - both,
        precision=both / positives if positives else None,
        recall=both / int(ones.sum()) if ones.any() else None,
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

"""Checks for label leaks: whether one side of the pairs, or the lengths alone, predict the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import split_pairs
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, document_weights, interval
from keras_negaposi.evaluation.text_baselines import TRIVIAL, labels_of

SIDES = ("A only", "B only", "lengths only")
SHOWN = (*SIDES, "TF-IDF cosine")
MOST_PAIRS = 8_000
"""More pairs would take minutes and hardly narrow the intervals."""
TEST_SHARE = 0.25


def measure_leaks(
    pairs: Sequence[Pair], text_of: Callable[[str], str], group_pattern: str, seed: int
) -> dict[str, Interval] | None:
    """Returns the accuracy of each of the `SHOWN` baselines, or ``None`` if there are too few pairs.

    The baselines are trained on a random three quarters of the pairs and tested on the rest.
    """
    some = list(pairs[:MOST_PAIRS])
    try:
        split = split_pairs(some, "random", TEST_SHARE, 0.0, group_pattern, seed)
    except InputError:
        return None
    texts = {title: text_of(title) for pair in some for title in (pair.a, pair.b)}
    train, test = split.parts["train"], split.parts["test"]
    weights = document_weights(documents_of(test, group_pattern), seed)
    labels = labels_of(test)
    return {name: interval(Predictions(labels, TRIVIAL[name](texts, train, test)), weights, accuracy) for name in SHOWN}


def describe_leaks(leaks: dict[str, Interval] | None) -> list[str]:
    """Returns a line with all accuracies, and a warning for each side that alone is better than chance."""
    if leaks is None:
        return ["Too few pairs to check whether one side gives away the label."]
    shown = ", ".join(f"{name} {value.percent()}" for name, value in leaks.items())
    lines = [f"Label leak check, accuracy by baseline: {shown}."]
    for name in SIDES:
        if leaks[name].low > 0.5:
            lines.append(
                f"WARNING: {name} predicts the label of {leaks[name].percent()} of the pairs, so a model need not "
                "compare A with B. Choose other pairs."
            )
    return lines

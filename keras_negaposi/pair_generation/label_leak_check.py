"""Whether one side of the pairs gives the label away: the trivial baselines on what was drawn."""

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
"""More would take minutes and tell little more."""
TEST_SHARE = 0.25


def leaks(
    pairs: Sequence[Pair], text_of: Callable[[str], str], group_pattern: str, seed: int
) -> dict[str, Interval] | None:
    """Accuracy of each of `SHOWN` on a random quarter of the pairs, learnt from the others; ``None`` if too few."""
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


def tell_leaks(found: dict[str, Interval] | None) -> list[str]:
    """A line on all of them, and a warning where one side alone is beyond chance."""
    if found is None:
        return ["Too few pairs to find out whether one side gives the label away."]
    lines = ["What tells the label: " + ", ".join(f"{name} {value.percent()}" for name, value in found.items()) + "."]
    for name in SIDES:
        if found[name].low > 0.5:
            lines.append(
                f"WARNING: {name} tells the label in {found[name].percent()} of the pairs: a model need not compare "
                "anything. Draw others."
            )
    return lines

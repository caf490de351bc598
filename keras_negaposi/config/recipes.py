"""Recipes: settings of a training that fit the BERT and the data, in place of flags that one has to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_negaposi.config.data import ALL
from keras_negaposi.config.heads import BI_ENCODER, is_cacheable

HEAD, PARTNER_HEAD = "head", "partner_head"
QUICK, BEST, ORIGINAL, NONE = "quick", "best", "original", "none"
RECIPES = (QUICK, BEST, ORIGINAL, NONE)

BATCH = 32
QUICK_STEPS = 100
"""Steps of `QUICK`: three to six minutes for a BERT of 12 layers, 384 wide, on two cores."""
MOST_PASSES = 5.0
"""Over the labelled pairs of a small data set; more of them are memorised rather than learned from."""
FEWEST_FOR_PARTNER = 1_000
"""With fewer labelled pairs, a partner learns too little to be worth its time."""
MOST_NEXT_PAGES = 18_000
"""Self-labelled pairs of `BEST`: with as many, one pass takes half an hour to an hour on two cores."""
SHORTEST, LONGEST_TEXT = 32, 96
"""Limits of ``--max_seq_length``, in pieces, for one text."""
LONGEST_PAIR = {QUICK: 160, BEST: 256}
"""The same for a pair in one input: a longer one takes more time, and makes a cross-encoder better."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a recipe depends on. Labels are not among it, so nothing is chosen on the test part.

    Attributes:
        trained_pooler: whether the checkpoint's pooler was trained, as by next sentence prediction.
        layers: of the encoder.
        positions: the encoder's longest input, in pieces.
        pairs: number of labelled pairs.
        adjacent: number of adjacent pages, from which self-labelled pairs are made.
        pieces: length that 90 % of the texts do not exceed, in pieces.
        takes_partner: whether another run can join this one's hybrid.
    """

    trained_pooler: bool
    layers: int
    positions: int
    pairs: int
    adjacent: int
    pieces: int
    takes_partner: bool


class Choice(NamedTuple):
    """The value of an option, and why a recipe chose it."""

    option: str
    value: object
    reason: str


def default_recipe(given: Mapping[str, Any]) -> str:
    """Returns the recipe of a command that names none: `NONE` if it gives an option that a recipe would choose.

    A head alone is no such option if it has one input each for A and B, because the settings of `BI_ENCODER` suit it.
    """
    chosen = CHOSEN & given.keys()
    if chosen == {HEAD} and is_cacheable(given[HEAD]):
        return QUICK
    return NONE if chosen else QUICK


def choose(recipe: str, facts: Facts, head: str | None = None) -> list[Choice]:
    """Returns the options that a recipe chooses; all others keep their defaults.

    Args:
        recipe: its name.
        facts: what it depends on.
        head: the head, if the user has chosen it.
    """
    if recipe == NONE:
        return []
    if recipe == ORIGINAL:
        return _original()
    chosen = [
        Choice("truncate_a", "start", "B comes next to A's end"),
        _head(facts),
    ]
    head = head or str(chosen[-1].value)
    if head == BI_ENCODER and not facts.trained_pooler:
        return [*chosen, *_not_fine_tuned(facts), *(_partner(facts) if recipe == BEST else [])]
    chosen += _separate(facts) if is_cacheable(head) else _joint(facts, LONGEST_PAIR[recipe])
    return [*chosen, *(_quick(facts) if recipe == QUICK else _best(facts, head))]


def _original() -> list[Choice]:
    """The settings of run_classifier.py."""
    as_there = "as in run_classifier.py"
    values = {"head": "pair", "truncate_a": "end", "max_seq_length": 128, "frozen_layers": 0, "next_page_pairs": 0}
    values |= {"dev_share": 0.0, "hybrid": False}
    return [Choice(name, value, as_there) for name, value in values.items()]


def _head(facts: Facts) -> Choice:
    if facts.trained_pooler:
        return Choice(HEAD, "pair", "the checkpoint's pooler is trained, as by next sentence prediction")
    return Choice(HEAD, BI_ENCODER, "the pooler is untrained: a bi-encoder uses the encoder's own cosine")


def _joint(facts: Facts, longest: int) -> list[Choice]:
    length = _length(2 * facts.pieces, longest, facts)
    chosen = [Choice("max_seq_length", length, "holds most pairs, up to a limit")]
    if facts.trained_pooler:
        return chosen
    return [
        *chosen,
        Choice("learning_rate", 1e-4, "an encoder that has never seen two texts together has much to learn"),
        Choice("adam_bias_correction", True, "otherwise the first steps are six times as long, and spoil the encoder"),
    ]


def _separate(facts: Facts) -> list[Choice]:
    return [
        Choice("max_seq_length", _length(facts.pieces, LONGEST_TEXT, facts), "holds most texts, up to a limit"),
        Choice("learning_rate", 3e-5, "the start is strong, and its similarity would be lost at a higher rate"),
        Choice("adam_bias_correction", True, "otherwise the first steps are six times as long, and lose it too"),
    ]


def _not_fine_tuned(facts: Facts) -> list[Choice]:
    return [
        Choice("max_seq_length", _length(facts.pieces, LONGEST_TEXT, facts), "holds most texts, up to a limit"),
        Choice("num_train_epochs", 0.0, "its vectors hardly gain by training, and can be weighed on all pairs without"),
        _all_pages(),
    ]


def _all_pages() -> Choice:
    return Choice("reference_pages", ALL, "more pages tell better which texts are close to many")


def _quick(facts: Facts) -> list[Choice]:
    passes = min(MOST_PASSES, max(1.0, round(QUICK_STEPS * BATCH / facts.pairs, 1)))
    return [
        _frozen(facts),
        Choice("num_train_epochs", passes, f"about {QUICK_STEPS} steps, if the pairs suffice"),
        Choice("max_steps", QUICK_STEPS, "minutes, not an hour"),
        Choice("eval_steps", QUICK_STEPS, "an evaluation of the dev part takes as long as ten steps"),
    ]


def _best(facts: Facts, head: str) -> list[Choice]:
    separate = is_cacheable(head)
    chosen = [_frozen(facts)] if separate else []  # a cross-encoder learns to compare in all layers
    if head == BI_ENCODER:
        chosen.append(_all_pages())
    if facts.adjacent < facts.pairs // 2:
        return [*chosen, Choice("num_train_epochs", 3.0, "there are few adjacent pages to make more pairs from")]
    return [
        *chosen,
        Choice("next_page_pairs", MOST_NEXT_PAGES, "new pairs help more than further passes over the labelled ones"),
        Choice("num_train_epochs", 1.0, "in a second pass, pairs are memorised"),
        *(_partner(facts) if separate else []),
    ]


def _partner(facts: Facts) -> list[Choice]:
    if not facts.takes_partner or facts.pairs < FEWEST_FOR_PARTNER:
        return []
    head = "pair" if facts.trained_pooler else "pair_means"
    return [Choice(PARTNER_HEAD, head, "a cross-encoder errs on other pairs, so both together are better than either")]


def _frozen(facts: Facts) -> Choice:
    return Choice(
        "frozen_layers", 2 * facts.layers // 3, "the lower layers know the language; a step takes half the time"
    )


def _length(pieces: int, longest: int, facts: Facts) -> int:
    """Returns a multiple of 32 that holds ``pieces``, within the limits."""
    return min(max(-(-pieces // 32) * 32, SHORTEST), longest, facts.positions)


CHOSEN = frozenset(
    (
        HEAD,
        "truncate_a",
        "max_seq_length",
        "learning_rate",
        "adam_bias_correction",
        "frozen_layers",
        "num_train_epochs",
        "max_steps",
        "next_page_pairs",
    )
)
"""Options that recipes choose. Who sets one by hand wants the rest as it is; see `default_recipe`.
Options of the evaluation and the partner, which a recipe may choose too, do not count."""

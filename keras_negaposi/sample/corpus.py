"""Generates the sample's slide decks from the phrase book, and labelled pairs of slides from the decks.

A deck presents the aspects of one topic. Each slide gives its place in the deck, makes a statement about its own aspect
and announces the next one, in sentences that share no words. So shared characters do not reveal which slide comes next:
a model has to know which sentences belong to one topic, and to count.
"""

from __future__ import annotations

import dataclasses
import functools
import random
import tomllib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import NamedTuple

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.pairs import Pair

DECKS_A_SHELF = 12
TOPICS_A_SHELF = 3
"""Negative pairs stay within a shelf of decks, so that a split between shelves separates no pair."""

_ORDERS, _TRIES = 20, 300
"""Orders of a deck's slides, and texts of a slide, that are tried before the phrase book counts as used up."""
_ANNOUNCEMENTS = (
    "次は{}",
    "続いて{}",
    "では{}は",
    "残るは{}",
    "そこで{}",
    "{}へ進む",
    "{}も話したい",
    "よく聞かれる{}",
)
_ORDINALS = (
    ("一つ目は", "最初に", "第一に"),
    ("二つ目は", "二番目に", "第二に"),
    ("三つ目は", "三番目に", "第三に"),
    ("四つ目は", "四番目に", "第四に"),
    ("五つ目は", "五番目に", "第五に"),
    ("六つ目は", "六番目に", "第六に"),
)
"""Beginnings of the slides at places 1 to 6."""
_WELCOMES = ("{}の話", "{}入門", "{}メモ", "はじめての{}", "{}の勉強会より")
_CLOSINGS = tuple(
    thanks + end
    for thanks in ("", "ありがとう、", "長くなりました、", "楽しかった、")
    for end in ("以上です", "おわり", "質問をどうぞ", "ここまで", "解散です")
)


@dataclasses.dataclass(frozen=True)
class Slide:
    """A slide's title, its text and its place in the deck, from 0."""

    title: str
    text: str
    place: int


@dataclasses.dataclass(frozen=True)
class Deck:
    """The slides of one document, in order."""

    topic: str
    slides: tuple[Slide, ...]


def make_decks(shelves: int, seed: int, taken: frozenset[str] = frozenset(), varied: bool = False) -> list[Deck]:
    """Generates ``shelves * DECKS_A_SHELF`` decks, shelf by shelf; no two slides have the same text.

    Args:
        shelves: number of groups of decks.
        seed: seed of the random numbers.
        taken: further texts that no slide may have.
        varied: whether no two slides are nearly the same, as those are that make one statement with the same cue.

    Raises:
        InputError: the phrase book is too small for so many decks.
    """
    book = read_phrases()
    rng = random.Random(seed)
    used = set(taken)
    decks: list[Deck] = []
    for _ in range(shelves):
        topics = rng.sample(sorted(book), TOPICS_A_SHELF)
        for place in range(DECKS_A_SHELF):
            topic = topics[place % TOPICS_A_SHELF]
            decks.append(_make_deck(topic, book[topic], f"{topic}{len(decks):04d}", rng, used, varied))
    return decks


def read_phrases() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Reads the phrase book: topic -> aspect -> ``cues`` and ``answers``."""
    return tomllib.loads(resources.files("keras_negaposi.sample").joinpath("phrases.toml").read_text(encoding="utf-8"))


def make_pairs(decks: Sequence[Deck], seed: int) -> list[Pair]:
    """Makes labelled pairs, equally many of both classes, in random order.

    Every slide that announces another is A at most once. Half of them have the next slide as B; the others have the
    slide after an A of another deck of their shelf, on another topic or at another place. So every B is used once, and
    neither A nor B alone reveals the label.
    """
    rng = random.Random(seed)
    pairs: list[Pair] = []
    for start in range(0, len(decks), DECKS_A_SHELF):
        # Every two adjacent slides of the shelf; half of them exchange their B.
        steps = [
            (number, a, b)
            for number, deck in enumerate(decks[start : start + DECKS_A_SHELF])
            for a, b in zip(deck.slides, deck.slides[1:], strict=False)
        ]
        rng.shuffle(steps)
        half = len(steps) // 2
        topics = [deck.topic for deck in decks[start : start + DECKS_A_SHELF]]
        # Not `data.negative_sampling`: B must also have another topic or place than the next slide, and the published
        # sample data depends on these random choices.
        negatives = _mismatch(steps[:half], topics, rng)
        pairs += negatives
        pairs += [Pair(a.title, b.title, 1) for _, a, b in steps[half : half + len(negatives)]]
    rng.shuffle(pairs)
    return pairs


def _make_deck(
    topic: str, aspects: dict[str, dict[str, list[str]]], name: str, rng: random.Random, used: set[str], varied: bool
) -> Deck:
    """Generates a deck: a title slide, one slide for each aspect in random order, and a closing.

    What no later slide may have is added to ``used``: the texts and, if ``varied``, their content.

    Raises:
        InputError: the phrase book is too small for so many decks.
    """
    for _ in range(_ORDERS):
        order = rng.sample(sorted(aspects), len(aspects))
        places = enumerate(zip([None, *order], [*order, None], strict=True))
        draws = [functools.partial(_draft, topic, aspects, place, *about, rng) for place, about in places]
        drafts = [_unused(draw, used) for draw in draws]
        if all(drafts):
            break
    else:
        raise InputError(f"the phrase book has no more slides on {topic}; make fewer shelves")
    slides = []
    for place, draft in enumerate(filter(None, drafts)):
        used.update({draft.text, *draft.content} if varied else {draft.text})
        slides.append(Slide(f"{name},{place:03d}", draft.text, place))
    return Deck(topic, tuple(slides))


class _Draft(NamedTuple):
    """The text of a slide, and what of it makes another slide with the same nearly a copy."""

    text: str
    content: tuple[str, ...]


def _unused(draw: Callable[[], _Draft], used: set[str]) -> _Draft | None:
    """Draws until nothing of a slide is in ``used``; returns ``None`` if there seems to be no such slide."""
    for _ in range(_TRIES):
        draft = draw()
        if used.isdisjoint((draft.text, *draft.content)):
            return draft
    return None


def _draft(
    topic: str,
    aspects: dict[str, dict[str, list[str]]],
    place: int,
    aspect: str | None,
    announced: str | None,
    rng: random.Random,
) -> _Draft:
    """Generates a slide: its own aspect (``None``: the title slide), and the next one (``None``: the closing)."""
    if aspect is None:
        body = statement = rng.choice(_WELCOMES).format(topic)
    else:
        ordinal, statement = rng.choice(_ORDINALS[place - 1]), rng.choice(aspects[aspect]["answers"])
        body = f"{ordinal} {statement}"
    if announced is None:
        closing = rng.choice(_CLOSINGS)
        return _Draft(f"{body} {closing}", (body, f"{statement} {closing}"))
    announcement, cue = rng.choice(_ANNOUNCEMENTS), rng.choice(aspects[announced]["cues"])
    return _Draft(f"{body} {announcement.format(cue)}", (f"{statement} {cue}",))


def _mismatch(steps: list[tuple[int, Slide, Slide]], topics: list[str], rng: random.Random) -> list[Pair]:
    """Pairs each A with a B of another deck: on another topic at the next place, or on its topic at another place."""
    free = [(number, b) for number, _, b in steps]
    pairs = []
    for number, a, _ in steps:
        elsewhere = [(other, b) for other, b in free if topics[other] != topics[number] and b.place == a.place + 1]
        misplaced = [
            (other, b)
            for other, b in free
            if other != number and topics[other] == topics[number] and b.place != a.place + 1
        ]
        fits = rng.choice((elsewhere, misplaced)) or elsewhere or misplaced
        if fits:
            chosen = rng.choice(fits)
            free.remove(chosen)
            pairs.append(Pair(a.title, chosen[1].title, 0))
    return pairs

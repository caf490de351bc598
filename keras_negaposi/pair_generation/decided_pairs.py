"""Pairs from people's decisions about suggested links: accepted links are positives, rejected ones negatives."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Container, Iterable, Sequence

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.decisions import ACCEPT, Decision, last_decisions, read_decisions
from keras_negaposi.data.pairs import Pair
from keras_negaposi.pair_generation.generated_pairs import GeneratedPairs
from keras_negaposi.readers.document import composed

logger = logging.getLogger(__name__)


def add_decided(generated: GeneratedPairs, path: str) -> GeneratedPairs:
    """Returns the pairs with those of a file of decisions in front, which replace made pairs of the same two pages.

    A made pair is also replaced if its pages are those of a decision in the other direction: the link is one.

    Args:
        generated: pairs made from the pages.
        path: of the file of decisions.

    Raises:
        InputError: the file is no file of decisions, or none of them is about two of the pages.
    """
    decisions = read_decisions(path)
    counted = last_decisions(decisions).values()
    decided, unknown = _pairs(counted, generated.texts)
    if not decided:
        example = f", for example {quoted(unknown[0])}" if unknown else ""
        raise InputError(
            f"{path}: no decision is about two of the {len(generated.texts):,} pages{example}; make the pages with "
            "the same source and --length as those of the index"
        )
    if unknown:
        logger.warning(
            "%s: %d of %d decisions are about pages that are not here and are left out, for example %s",
            *(path, len(unknown), len(counted), quoted(unknown[0])),
        )
    ends = {frozenset((pair.a, pair.b)) for pair in decided}
    kept = [pair for pair in generated.pairs if frozenset(_pages(pair, generated)) not in ends]
    accepted = sum(pair.label for pair in decided)
    summary = (
        f"{len(decided):,} pairs were decided by people ({accepted:,} accepted, {len(decided) - accepted:,} rejected); "
        f"{len(generated.pairs) - len(kept):,} made pairs of the same pages give way to them."
    )
    used = {pair.a for pair in kept}
    return dataclasses.replace(
        generated,
        pairs=[*decided, *kept],
        summary=[*generated.summary, summary],
        masked={title: candidate for title, candidate in generated.masked.items() if title in used},
    )


def _pairs(decisions: Iterable[Decision], pages: Container[str]) -> tuple[list[Pair], list[str]]:
    """Returns the pairs of decisions whose titles are pages, and the missing titles of the others, one each."""
    pairs, unknown = [], []
    for decision in decisions:
        a, b = composed(decision.a), composed(decision.b)
        missing = [title for title in (a, b) if title not in pages]
        if missing:
            unknown.append(missing[0])
        else:
            pairs.append(Pair(a, b, int(decision.decision == ACCEPT)))
    return pairs, unknown


def _pages(pair: Pair, generated: GeneratedPairs) -> Sequence[str]:
    """Returns the titles of the pages of a pair; its A may be a masked copy of a page."""
    candidate = generated.masked.get(pair.a)
    return candidate.a if candidate else pair.a, pair.b

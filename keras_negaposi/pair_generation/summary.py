"""Sentences for the output and the README: how many pages and candidates there are, and how pairs were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keras_negaposi.config import PairsConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.pair_generation.generated_pairs import HONBUN, PAGES
from keras_negaposi.pair_generation.link_targets import LinkTargets
from keras_negaposi.pair_generation.pages import Pages
from keras_negaposi.pair_generation.positives import Candidate


def describe_pages(pages: Pages, candidates: Sequence[Candidate], config: PairsConfig) -> list[str]:
    """Returns sentences on the pages and the candidates for positive pairs, with counts of what was left out."""
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(pages.dropped.items())) or "none"
    links = sum(bool(candidate.hidden) for candidate in candidates)
    lost = f"; {_lost_links(pages.targets)}" if config.positive != "next" else ""
    lines = [
        f"{len(pages.texts):,} pages of {pages.documents:,} documents; pages dropped: {dropped}.",
        f"Possible positive pairs: {len(candidates) - links:,} next pages, {links:,} links{lost}.",
    ]
    left_out = pages.adjacency.describe()
    return [*lines, f"{left_out}."] if left_out and config.positive != "link" else lines


def describe_pairs(pairs: Sequence[Pair], masked: Mapping[str, Candidate], config: PairsConfig) -> list[str]:
    """Returns sentences on how the pairs were chosen, and on the masked texts."""
    share = f" for {config.hard_share:.0%} of them" if config.negative != "random" else ""
    lines = [
        f"{len(pairs):,} pairs chosen, half of them positive (seed {config.seed}). Each page is A at most once and B "
        "at most once. One half of the possible positive pairs stays positive; the A and B of the other half are "
        f"recombined into negatives, each A with a B of another document (--negative {config.negative}{share})."
    ]
    if masked:
        lines.append(
            f"In {len(masked):,} texts A, the link is masked; {HONBUN} contains these copies in addition to the pages. "
            f"{PAGES} contains only the pages; create the index from it."
        )
    return lines


def _lost_links(targets: LinkTargets) -> str:
    lost = f"links left out: {targets.dangling:,} to no document, {targets.ambiguous:,} to one of several documents"
    near = f"; {targets.nearest:,} links could lead to several notes of that name and use the nearest"
    return lost + (near if targets.nearest else "")

"""Suggested pages, and how a second model sorts the best of them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.scorer import Scorer

RERANK_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A page to link to, with the probability that it comes next.

    Attributes:
        title: of the page.
        text: of the page.
        score: of the pair.
        parts: what the parts of the score contribute, if `note_links.parts_of` has computed it.
    """

    title: str
    text: str
    score: float
    parts: tuple[float, ...] = ()


def reranks_itself(run: str | None) -> bool:
    """Returns whether a run sorts its own index's best pages better: it has a partner, which an index leaves out."""
    return run is not None and saved_calibration(RunFolder(run)).ensemble is not None


def reranked(found: Sequence[Suggestion], text: str, count: int, reranker: Scorer) -> list[Suggestion]:
    """Sorts the first ``count`` suggestions by the reranker's probabilities; the others follow as they are."""
    best, rest = found[:count], found[count:]
    scored = reranker.stream(((text, suggestion.text) for suggestion in best), RERANK_BATCH)
    best = [dataclasses.replace(s, score=p) for s, (p, _) in zip(best, scored, strict=True)]
    return [*sorted(best, key=lambda suggestion: -suggestion.score), *rest]

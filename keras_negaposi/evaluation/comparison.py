"""Compares finished runs on the test pairs that they have in common, each with the first one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.baseline_comparison import is_beaten
from keras_negaposi.evaluation.bootstrap import (
    METRICS,
    Interval,
    McNemar,
    accuracy,
    document_weights,
    interval,
    mcnemar,
    paired_difference,
)
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.evaluation.metrics import SEED, Scores

BETTER, WORSE, UNCLEAR = "clearly better", "clearly worse", "no clear difference"


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """A run, and its scores for the common pairs.

    Attributes:
        name: the folder's name, or its path if another run has the same name.
        test_pairs: number of all its test pairs.
        scores: for the common pairs, in the comparison's order.
    """

    name: str
    run: FinishedRun
    test_pairs: int
    scores: Scores
    accuracy: Interval


@dataclasses.dataclass(frozen=True)
class Difference:
    """A run against the first one.

    Attributes:
        metrics: by how much each metric of `bootstrap.METRICS` is higher.
        mcnemar: pairs that only the run (``first_alone``) or only the first run (``second_alone``) gets correct.
        gained: the rows of the pairs that only the run gets correct, the first run's worst error first.
        lost: the rows of the pairs that only the first run gets correct, the run's worst error first.
    """

    compared: ComparedRun
    metrics: dict[str, Interval]
    mcnemar: McNemar
    gained: list[int]
    lost: list[int]

    @property
    def outcome(self) -> str:
        """`BETTER` or `WORSE` if the paired interval of the accuracy and McNemar's test agree on it, else `UNCLEAR`."""
        found, test = self.metrics["accuracy"], self.mcnemar
        if found.low > 0 and is_beaten(test.first_alone, test.second_alone, test.p_value):
            return BETTER
        if found.high < 0 and is_beaten(test.second_alone, test.first_alone, test.p_value):
            return WORSE
        return UNCLEAR


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The first run, the others against it, and the test pairs that all of them have."""

    pairs: list[Pair]
    texts: dict[str, str]
    first: ComparedRun
    differences: list[Difference]

    @property
    def runs(self) -> list[ComparedRun]:
        """All runs, in the user's order."""
        return [self.first, *(difference.compared for difference in self.differences)]


def compare(runs: Sequence[FinishedRun]) -> Comparison:
    """Compares every run with the first one.

    A pair is common if its titles, its texts and its label are the same in the test part of each run.

    Raises:
        InputError: a run has no test part, or no test pair is common to all runs.
    """
    for run in runs:
        if not run.test:
            raise InputError(f"{run.folder.path}: has no test part (--test_share 0), so it cannot be compared")
    rows = [{_key(run, pair): row for row, pair in enumerate(run.test)} for run in runs]
    common = [key for key in rows[0] if all(key in others for others in rows[1:])]
    if not common:
        paths = " and ".join(run.folder.path for run in runs)
        raise InputError(f"{paths}: no test pair in common; train them on the same data with the same --split_seed")
    pairs = [Pair(a, b, label) for a, b, _, _, label in common]
    weights = document_weights(documents_of(pairs, runs[0].config.group_pattern), SEED)
    names = _names([run.folder.path for run in runs])
    compared = []
    for name, run, row_of in zip(names, runs, rows, strict=True):
        scores = _chosen(run.scores, np.array([row_of[key] for key in common]))
        compared.append(ComparedRun(name, run, len(run.test), scores, interval(scores, weights, accuracy)))
    first, *others = compared
    return Comparison(pairs, runs[0].texts, first, [_difference(first, other, weights) for other in others])


def _key(run: FinishedRun, pair: Pair) -> tuple[str, str, str, str, int]:
    return pair.a, pair.b, run.texts[pair.a], run.texts[pair.b], pair.label


def _names(paths: Sequence[str]) -> list[str]:
    """Returns a short name for each folder, unless two have the same one."""
    short = [os.path.basename(path.rstrip("/")) for path in paths]
    return short if len(set(short)) == len(short) and all(short) else list(paths)


def _chosen(scores: Scores, rows: np.ndarray) -> Scores:
    return dataclasses.replace(scores, labels=scores.labels[rows], probabilities=scores.probabilities[rows])


def _difference(first: ComparedRun, other: ComparedRun, weights: np.ndarray) -> Difference:
    before, after = first.scores, other.scores
    return Difference(
        compared=other,
        metrics={name: paired_difference(before, after, weights, metric) for name, metric in METRICS.items()},
        mcnemar=mcnemar(after.correct, before.correct),
        gained=_worst_first(after.correct & ~before.correct, before.losses),
        lost=_worst_first(before.correct & ~after.correct, after.losses),
    )


def _worst_first(chosen: np.ndarray, losses: np.ndarray) -> list[int]:
    return [int(row) for row in np.argsort(-losses, kind="stable") if chosen[row]]

"""Comparison of runs on common test pairs: planted differences, other test parts, and no pair in common."""

import dataclasses

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import accuracy, document_weights, interval, paired_difference
from keras_negaposi.evaluation.comparison import BETTER, UNCLEAR, WORSE, compare
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration
from tests.helpers.assessments import scores

PAIRS = [Pair(f"d{row},0", f"d{row},1", row % 2) for row in range(120)]
TEXTS = {title: f"text of {title}" for pair in PAIRS for title in (pair.a, pair.b)}


def a_run(name, wrong, pairs=PAIRS, texts=TEXTS):
    """A run that is wrong about these rows, more so about the later ones."""
    rows = []
    for row, pair in enumerate(pairs):
        sure = 0.6 + row / 1000
        rows.append((pair.label, sure if (pair.label == 1) != (row in wrong) else 1 - sure))
    config = TrainConfig(output_dir=f"runs/{name}")
    return FinishedRun(RunFolder(f"runs/{name}"), config, texts, [], list(pairs), {"test": scores(rows)}, Calibration())


def test_planted_differences():
    first, better = a_run("first", set(range(20))), a_run("better", {0, 1, 30})
    found = compare([first, better]).differences[0]
    assert found.outcome == BETTER and found.metrics["accuracy"].value == pytest.approx(17 / 120)
    assert (found.mcnemar.first_alone, found.mcnemar.second_alone) == (18, 1)
    assert found.gained == [*range(19, 1, -1)] and found.lost == [30]  # the worst error first
    assert compare([better, first]).differences[0].outcome == WORSE
    assert compare([first, a_run("x", set(range(1, 21)))]).differences[0].outcome == UNCLEAR


def test_only_common_pairs_count():
    relabelled = [dataclasses.replace(pair, label=1 - pair.label) for pair in PAIRS[:10]]
    texts = TEXTS | {PAIRS[11].a: "another text"}
    second = a_run("second", set(), [*PAIRS[:99:-1], *relabelled, PAIRS[11], PAIRS[50]], texts)
    found = compare([a_run("first", {50, 119}), second])
    assert found.pairs == [PAIRS[50], *PAIRS[100:]]
    assert [run.test_pairs for run in found.runs] == [120, 32]
    assert found.differences[0].gained == [20, 0]


def test_three_runs_are_compared_with_the_first():
    found = compare([a_run("a/x", {1}), a_run("b/x", {2}), a_run("c", {3})])
    assert [run.name for run in found.runs] == ["runs/a/x", "runs/b/x", "runs/c"]
    assert [each.lost for each in found.differences] == [[2], [3]]


def test_runs_without_a_common_pair_are_refused():
    with pytest.raises(InputError, match="runs/first and runs/second: no test pair in common"):
        compare([a_run("first", set(), PAIRS[:50]), a_run("second", set(), PAIRS[50:])])


def test_a_paired_interval_is_narrower_than_independent_ones():
    weights = document_weights([(pair.a[:-2], pair.b[:-2]) for pair in PAIRS], 0)
    one, other = (a_run("x", wrong).scores for wrong in (set(range(30)), set(range(28))))
    paired = paired_difference(one, other, weights, accuracy)
    assert paired.value == pytest.approx(2 / 120) and paired.low >= 0
    single = interval(one, weights, accuracy)
    assert paired.high - paired.low < (single.high - single.low) / 2
    same = paired_difference(one, one, weights, accuracy)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert np.isnan(paired_difference(one, other, weights, lambda predictions, row: float("nan")).low)

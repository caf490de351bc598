"""One flaw after the other, planted in an assessment that is beyond doubt: finding, advice and status."""

import dataclasses

import numpy as np
import pytest

from keras_negaposi.evaluation.baseline_comparison import LEXICAL
from keras_negaposi.evaluation.bootstrap import Interval, McNemar
from keras_negaposi.evaluation.controls import Degenerate, OrderSwapControl
from keras_negaposi.evaluation.credibility import BaselineComparison
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.findings import find_findings
from keras_negaposi.evaluation.leakage_audit import SAME_TEXT, TrainOverlap
from keras_negaposi.evaluation.status import BELIEVABLE, DOUBTFUL, NOT_USABLE, status_of
from keras_negaposi.serving.calibration import Calibration
from tests.helpers.assessments import good_assessment

GOOD = good_assessment()


def figure(**changed):
    return {"figures": GOOD.figures | {name: Interval(*ends) for name, ends in changed.items()}}


def baseline(name, accuracy, only_run, only_baseline, p):
    row = BaselineComparison(Interval(*accuracy), McNemar(only_run, only_baseline, p))
    return {"baselines": GOOD.baselines | {name: row}}


def overlap(name, share):
    return {"seen": GOOD.seen | {name: TrainOverlap(share, Interval(0.95, 0.9, 1.0), Interval(0.8, 0.75, 0.85))}}


NEAR_CHANCE = (0.55, 0.49, 0.61)
FLAWS = [
    ({"degenerate": Degenerate(1, 1.0, one_answer=True)}, NOT_USABLE, "the same answer"),
    ({"degenerate": Degenerate(9, 0.6, one_answer=False)}, DOUBTFUL, "same score"),
    ({"shuffled": Interval(0.6, 0.56, 0.64)}, NOT_USABLE, "evaluation itself is faulty"),
    (figure(accuracy=NEAR_CHANCE), NOT_USABLE, "no better than guessing"),
    (figure(accuracy=(0.8, 0.65, 0.9)), DOUBTFUL, "too few test pairs"),
    (figure(ece=(0.2, 0.1, 0.3)), DOUBTFUL, "probabilities are off"),
    (baseline("B only", (0.7, 0.66, 0.74), 120, 20, 1e-9), DOUBTFUL, "leak through B"),
    (baseline("A only", (0.9, 0.86, 0.94), 20, 20, 1.0), NOT_USABLE, "leak through A"),
    (baseline(LEXICAL, (0.89, 0.86, 0.92), 30, 25, 0.59), DOUBTFUL, "does not clearly beat the baseline lexical"),
    (baseline(LEXICAL, (0.95, 0.93, 0.97), 5, 30, 1e-5), NOT_USABLE, "baseline lexical features is better"),
    (overlap("document of A or B", 0.3), DOUBTFUL, "documents of the test pairs were seen"),
    (overlap(SAME_TEXT, 0.03), DOUBTFUL, "texts of the test pairs were seen"),
    ({"swapped": OrderSwapControl(500, 0.99, 0.99)}, DOUBTFUL, "similarity rather than order"),
]


def test_nothing_speaks_against_a_good_run():
    assert find_findings(GOOD, DevHistory()) == []
    assert status_of([]).level == BELIEVABLE


@pytest.mark.parametrize("flaw, level, reason", FLAWS, ids=[reason for *_, reason in FLAWS])
def test_a_planted_flaw_is_found_with_advice(flaw, level, reason):
    (found,) = find_findings(dataclasses.replace(GOOD, **flaw), DevHistory())
    status = status_of([found])
    assert reason in status.reason and status.level == level and found.disqualifies == (level == NOT_USABLE)
    assert found.text.endswith(".") and found.advice.endswith(".") and found.line == f"{found.text} {found.advice}"


def test_a_training_without_gain():
    correct = np.array([True, False] * 30)
    history = DevHistory().with_point(0, 0.6, correct).with_point(5, 0.5, correct)
    for kept, reason in ((0, "did not improve it"), (5, "did not clearly improve it")):
        (found,) = find_findings(GOOD, dataclasses.replace(history, kept=kept))
        assert reason in found.reason and not found.disqualifies


def test_what_disqualifies_decides_the_status():
    flaws = figure(accuracy=NEAR_CHANCE) | {"swapped": OrderSwapControl(500, 0.99, 0.99)} | overlap("page A", 0.5)
    found = find_findings(dataclasses.replace(GOOD, **flaws, calibration=Calibration()), DevHistory())
    assert [finding.disqualifies for finding in found] == [True, False]
    assert status_of(found[::-1]).level == NOT_USABLE
    assert status_of(found[::-1]).reason == f"{found[0].reason}, and 1 more reason to doubt it"

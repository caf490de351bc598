"""An assessment of a run that is beyond doubt, for tests that plant one flaw."""

import numpy as np

from keras_negaposi.evaluation.baseline_comparison import STRONG_BASELINES
from keras_negaposi.evaluation.bootstrap import METRICS, Interval, McNemar
from keras_negaposi.evaluation.controls import Degenerate, OrderSwapControl
from keras_negaposi.evaluation.coverage import Coverage
from keras_negaposi.evaluation.credibility import Assessment, BaselineComparison
from keras_negaposi.evaluation.leakage_audit import NEAR_TEXT, SAME_TEXT, TrainOverlap
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.serving.calibration import Calibration

BEATEN = BaselineComparison(Interval(0.7, 0.65, 0.75), McNemar(150, 20, 1e-9))
CHANCE = BaselineComparison(Interval(0.5, 0.45, 0.55), McNemar(220, 20, 1e-12))
UNSEEN = TrainOverlap(0.0, None, Interval(0.9, 0.87, 0.93))


def good_assessment(**flaws):
    """Nothing speaks against it but the given fields."""
    figures = dict.fromkeys(METRICS, Interval(0.9, 0.87, 0.93)) | {"ece": Interval(0.02, 0.01, 0.03)}
    sound = {
        "split": "grouped",
        "pairs": 500,
        "figures": figures,
        "baselines": dict.fromkeys(STRONG_BASELINES, BEATEN)
        | dict.fromkeys(("majority", "A only", "B only", "lengths only"), CHANCE),
        "seen": dict.fromkeys(("page A", "page B", "document of A or B", SAME_TEXT, NEAR_TEXT), UNSEEN),
        "shuffled": Interval(0.5, 0.47, 0.53),
        "swapped": OrderSwapControl(500, 0.4, 0.3),
        "degenerate": Degenerate(480, 0.01, one_answer=False),
        "ranking": None,
        "calibration": Calibration(chosen_on="dev"),
        "contributions": None,
        "coverage": [Coverage(1.0, 500, Interval(0.9, 0.87, 0.93))],
    }
    return Assessment(**sound | flaws)


def scores(rows, threshold=0.5):
    """Scores of (label, probability) rows."""
    labels, probabilities = zip(*rows, strict=True)
    return Scores(np.array(labels, np.int32), np.array(probabilities, np.float32), threshold)

"""Accuracy by coverage: the most confident predictions first, by the distance of the logit from the threshold's."""

import numpy as np
import pytest

from keras_negaposi.evaluation.bootstrap import document_weights
from keras_negaposi.evaluation.coverage import SHARES, by_coverage, margins
from tests.helpers.assessments import scores


def test_the_most_confident_half_is_correct_and_the_rest_is_wrong():
    sure = [(1, 0.99), (0, 0.01)] * 25
    unsure = [(1, 0.4), (0, 0.6)] * 25
    predictions = scores(unsure + sure)
    weights = document_weights([(str(row), str(row)) for row in range(100)], 0, 200)
    found = by_coverage(predictions, weights)
    assert [each.share for each in found] == list(SHARES) and [each.pairs for each in found] == [*range(10, 101, 10)]
    assert [each.accuracy.value for each in found[:5]] == [1.0] * 5
    assert found[-1].accuracy.value == 0.5 and 0.35 < found[-1].accuracy.low < 0.5 < found[-1].accuracy.high < 0.65


def test_confidence_is_measured_from_the_threshold():
    predictions = scores([(1, 0.9), (1, 0.5), (0, 0.05), (1, 0.0), (1, 1.0)], threshold=0.9)
    found = margins(predictions)
    assert found[0] == pytest.approx(0, abs=1e-5)  # at the threshold, although the probability is high
    assert found[1] == pytest.approx(np.log(9), rel=1e-5)
    assert found[2] > found[1] and np.isfinite(found).all()

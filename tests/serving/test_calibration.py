"""Calibration: temperature and threshold, found on scores of a known distribution."""

import numpy as np
import pytest

from keras_negaposi.serving.calibration import Calibration, calibrate


def test_calibration_finds_temperature_and_threshold():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 20000)
    labels = (rng.random(20000) < 1 / (1 + np.exp(-logits))).astype(int)
    found = calibrate(labels, 1 / (1 + np.exp(-3 * logits)))
    assert found.temperature == pytest.approx(3, rel=0.05)
    assert found.threshold == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(Calibration(2.0).apply(np.array([0.5, 0.9])), [0.5, 0.75], atol=1e-6)


@pytest.mark.parametrize("score", [0.0, 0.3, 0.5, 1.0])
def test_calibration_of_constant_scores(score):
    found = calibrate(np.array([0, 1, 0, 1]), np.full(4, score))
    assert 0 < found.threshold < 1 and np.isfinite(found.temperature)


def test_the_threshold_breaks_no_tie():
    labels = np.array([0, 0, 1, 1, 1])
    scores = np.array([0.1, 0.2, 0.2, 0.2, 0.9])
    threshold = calibrate(labels, scores).threshold
    assert threshold not in Calibration(calibrate(labels, scores).temperature).apply(scores)

"""Tests of metrics against scikit-learn, of intervals against closed forms, of McNemar against its definition."""

import math

import numpy as np
import pytest
from sklearn import metrics

from keras_negaposi.evaluation import bootstrap
from keras_negaposi.evaluation.bootstrap import Predictions, document_weights, interval, intervals, mcnemar


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    return Predictions(labels, np.clip(0.3 * labels + rng.random(400) * 0.7, 0, 1).round(2), threshold=0.4)


def alone(count):
    """Returns documents such that every pair is within a document of its own."""
    return [(f"d{number}", f"d{number}") for number in range(count)]


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_scikit_learns(predictions, weighted):
    count = len(predictions.labels)
    weights = np.random.default_rng(1).integers(0, 4, count).astype(float) if weighted else np.ones(count)
    predicted = predictions.predicted.astype(int)
    expected = {
        "accuracy": metrics.accuracy_score(predictions.labels, predicted, sample_weight=weights),
        "precision": metrics.precision_score(predictions.labels, predicted, sample_weight=weights),
        "recall": metrics.recall_score(predictions.labels, predicted, sample_weight=weights),
        "f1": metrics.f1_score(predictions.labels, predicted, sample_weight=weights),
        "roc_auc": metrics.roc_auc_score(predictions.labels, predictions.probabilities, sample_weight=weights),
        "pr_auc": metrics.average_precision_score(predictions.labels, predictions.probabilities, sample_weight=weights),
        "brier": metrics.brier_score_loss(predictions.labels, predictions.probabilities, sample_weight=weights),
    }
    for name, value in expected.items():
        assert bootstrap.METRICS[name](predictions, weights) == pytest.approx(value)


def test_weights_mean_repetition(predictions):
    """A pair with weight n counts as if it occurred n times."""
    weights = np.random.default_rng(2).integers(0, 4, len(predictions.labels))
    repeated = Predictions(
        np.repeat(predictions.labels, weights), np.repeat(predictions.probabilities, weights), predictions.threshold
    )
    for name, metric in bootstrap.METRICS.items():
        expected = metric(repeated, np.ones(weights.sum()))
        assert metric(predictions, weights.astype(float)) == pytest.approx(expected), name


def test_calibration_error_by_hand():
    predictions = Predictions(np.array([1, 0, 1, 1]), np.array([0.95, 0.95, 0.25, 1.0]))
    # Last bin: mean probability 2.9 / 3, share of ones 2 / 3; third bin: 0.25 against 1.
    expected = 3 / 4 * abs(2.9 / 3 - 2 / 3) + 1 / 4 * 0.75
    assert bootstrap.calibration_error(predictions, np.ones(4)) == pytest.approx(expected)


def test_the_interval_of_a_share_is_the_binomials(predictions):
    count = len(predictions.labels)
    found = interval(predictions, document_weights(alone(count), 0, 4000), bootstrap.accuracy)
    share = predictions.correct.mean()
    error = 1.96 * math.sqrt(share * (1 - share) / count)
    assert found.value == share
    assert found.low == pytest.approx(share - error, abs=0.006)
    assert found.high == pytest.approx(share + error, abs=0.006)


def test_pairs_of_one_document_count_as_one():
    """Nine pairs per document, all correct or all incorrect: three times the error of as many independent pairs."""
    rng = np.random.default_rng(0)
    correct = np.repeat(rng.random(60) < 0.7, 9)
    predictions = Predictions(np.ones(len(correct), int), np.where(correct, 0.9, 0.1))
    documents = [(f"d{number // 9}",) * 2 for number in range(len(correct))]
    found = interval(predictions, document_weights(documents, 0, 4000), bootstrap.accuracy)
    share = correct.mean()
    error = 1.96 * math.sqrt(share * (1 - share) / 60)
    assert found.high - found.low == pytest.approx(2 * error, rel=0.08)


def test_a_pair_of_two_documents_counts_as_often_as_both():
    weights = document_weights([("x", "x"), ("x", "y"), ("y", "y")], 0, 50)
    np.testing.assert_array_equal(weights[:, 1], weights[:, 0] * weights[:, 2])
    assert (weights[:, 0] + weights[:, 2] == 2).all()


def test_intervals_are_seeded_and_hold_their_value(predictions):
    documents = alone(len(predictions.labels))
    first = intervals(predictions, document_weights(documents, 5, 200))
    assert first == intervals(predictions, document_weights(documents, 5, 200))
    assert first.keys() == bootstrap.METRICS.keys()
    for name, found in first.items():
        assert found.low <= found.value <= found.high or name == "ece", name  # resampling adds noise to |gaps|


def test_one_class_has_no_ranking_figures():
    predictions = Predictions(np.ones(5, int), np.linspace(0.1, 0.9, 5))
    found = intervals(predictions, document_weights(alone(5), 0, 20))
    assert math.isnan(found["roc_auc"].value) and math.isnan(found["pr_auc"].low)
    assert found["recall"].value == pytest.approx(0.4)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 1), (10, 10), (30, 12)])
def test_mcnemar_is_the_binomial_tail(first, second):
    """Twice the tail of a fair coin (McNemar 1947; statsmodels' ``mcnemar(exact=True)``), at most 1."""
    right = np.array([True] * first + [False] * second + [True] * 4 + [False] * 5)
    other = np.array([False] * first + [True] * second + [True] * 4 + [False] * 5)
    count = first + second
    tail = sum(math.comb(count, k) for k in range(min(first, second) + 1)) / 2**count
    found = mcnemar(right, other)
    assert (found.first_alone, found.second_alone) == (first, second)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))


def test_percent():
    assert bootstrap.Interval(0.9514, 0.94, 0.9604).percent() == "95.1 % (94.0-96.0)"

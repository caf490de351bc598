"""The pairs that a report shows, the words about its errors, and the positions on its chart."""

import numpy as np
import pytest

from keras_negaposi.evaluation.bootstrap import Interval
from keras_negaposi.reporting.examples import (
    LONGEST_TEXT,
    borderline,
    errors_in_words,
    shorten,
    tradeoffs,
    typical_correct,
    worst_errors,
)
from keras_negaposi.reporting.forest import Entry, draw_forest
from tests.helpers.assessments import scores


def test_a_dominant_kind_of_error_is_named_with_the_trade_off():
    # 60 false positives, of which 45 are below 0.7; 7 false negatives; above 0.5, 5 true positives below 0.7.
    rows = [(0, 0.6)] * 45 + [(0, 0.8)] * 15 + [(1, 0.2)] * 7 + [(1, 0.65)] * 5 + [(1, 0.99)] * 50 + [(0, 0.01)] * 50
    assert errors_in_words(scores(rows)) == (
        "60 false positives, 7 false negatives: most errors say that B comes next where it does not. At a threshold of "
        "0.70 instead of 0.50, they would be 15 and 12."
    )
    mirrored = errors_in_words(scores([(1 - label, 1 - probability) for label, probability in rows]))
    assert mirrored.startswith("7 false positives, 60 false negatives: most errors miss a B")
    assert mirrored.endswith("At a threshold of 0.30 instead of 0.50, they would be 12 and 15.")


@pytest.mark.parametrize(
    "rows, words",
    [
        ([(1, 0.9), (0, 0.1)], "All predictions are correct."),
        ([(0, 0.9), (1, 0.1)], "1 false positive, 1 false negative: neither kind of error is clearly more frequent."),
    ],
)
def test_few_errors(rows, words):
    assert errors_in_words(scores(rows)).startswith(words)


def test_without_another_threshold_there_is_no_trade_off():
    assert errors_in_words(scores([(0, 0.99)] * 9 + [(1, 0.1)], threshold=0.97)).endswith("where it does not.")


def test_trade_offs_hold_the_threshold_in_use_once():
    found = tradeoffs(scores([(1, 0.9), (0, 0.2)], threshold=0.51))
    assert [round(row.threshold, 2) for row in found] == [0.1, 0.3, 0.51, 0.7, 0.9, 0.95]
    assert [row.in_use for row in found] == [False, False, True, False, False, False]
    assert found[0].precision == 0.5 and found[-1].precision is None and found[-1].recall == 0


def test_which_pairs_are_shown():
    rng = np.random.default_rng(0)
    found = scores([(int(label), p) for label, p in zip(rng.integers(0, 2, 200), rng.random(200), strict=True)])
    errors = worst_errors(found)
    assert len(errors) == 25 and not found.correct[errors].any()
    assert (np.diff(found.losses[errors]) <= 0).all() and found.losses[errors[0]] == found.losses[~found.correct].max()
    near = np.sort(np.abs(found.probabilities - 0.5))[:5]
    np.testing.assert_allclose(np.sort(np.abs(found.probabilities[borderline(found)] - 0.5)), near)
    typical = typical_correct(found)
    assert len(typical) == 5 and found.correct[typical].all()
    assert (np.diff(np.abs(found.probabilities[typical] - 0.5)) < 0).all()


def test_few_or_no_correct_predictions():
    assert typical_correct(scores([(1, 0.1), (0, 0.9)])) == []
    assert typical_correct(scores([(1, 0.9), (0, 0.9)])) == [0]
    assert borderline(scores([(1, 0.9)])) == [0]


def test_long_texts_are_cut():
    assert shorten("長" * LONGEST_TEXT) == "長" * LONGEST_TEXT
    assert shorten("長" * 5000) == "長" * LONGEST_TEXT + "… (5,000 characters)"


def entry(*ends):
    return Entry("x", Interval(*ends), "run")


def test_positions_on_the_chart():
    chart = draw_forest([entry(0.9, 0.8, 1.0), entry(0.5, 0.4, 0.6), entry(float("nan"), float("nan"), 1.0)], 0.5)
    assert [label for _, label in chart.ticks] == ["40 %", "60 %", "80 %", "100 %"]
    assert len(chart.marks) == 2  # an undefined interval is not drawn
    first, second = chart.marks
    assert second.low == chart.ticks[0][0] and first.high == chart.ticks[-1][0] and chart.reference == second.value
    for mark in chart.marks:
        assert 0 < mark.low < mark.value < mark.high < 100


def test_a_chart_without_any_width():
    chart = draw_forest([entry(1.0, 1.0, 1.0)], 1.0)
    assert 0 < chart.marks[0].value < 100

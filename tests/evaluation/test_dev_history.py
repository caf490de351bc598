"""The history of the dev evaluations: pairs gained and lost since the start, and which evaluation is the best."""

import dataclasses

import numpy as np

from keras_negaposi.evaluation.bootstrap import McNemar
from keras_negaposi.evaluation.dev_history import DevHistory, DevPoint


def test_pairs_gained_and_lost_since_the_start():
    start = np.array([True, False, True, True, False, False, False, False, False])
    better, same = ~start | start, start
    found = DevHistory().with_point(0, 0.7, start).with_point(5, 0.6, same).with_point(9, 0.5, better)
    assert [point.against_start and point.against_start.first_alone for point in found.points] == [None, 0, 6]
    assert found.points[2].against_start == McNemar(6, 0, 2 / 2**6) and found.points[1].against_start.p_value == 1
    kept = dataclasses.replace(found, kept=9)
    assert kept.unproven() is None and dataclasses.replace(found, kept=5).unproven() == McNemar(0, 0, 1.0)
    worse = found.with_point(9, 0.5, ~start)
    assert dataclasses.replace(worse, kept=9).unproven() == McNemar(6, 3, worse.points[2].against_start.p_value)
    assert len(worse.points) == 3 and worse.start_correct == "101100000"
    assert kept.up_to(5) == DevHistory(found.points[:2], None, found.start_correct)
    assert DevHistory((DevPoint(3, 0.5, 0.9),), 3).unproven() is None  # an older run


def test_what_is_better():
    points = [DevPoint(0, 0.7, 0.5), DevPoint(1, None, 0.9), DevPoint(2, 0.7, 0.6), DevPoint(3, 0.8, 0.6)]
    found = DevHistory(tuple(points))
    assert found.best("loss").step == 0 and found.best("accuracy").step == 2
    assert found.without_improvement("loss") == 3 and found.without_improvement("accuracy") == 1
    nothing = DevHistory((points[1],))
    assert nothing.best("loss") is None and nothing.without_improvement("loss") == 1
    assert DevHistory().figures() is None and found.up_to(2).points == tuple(points[:3])

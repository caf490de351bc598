"""Progress lines of long work."""

import time

import pytest

from checkpoints_tools.common.progress import Ticker, duration


@pytest.fixture
def clock(monkeypatch):
    """The list of times that the clock returns."""
    times = []
    monkeypatch.setattr(time, "perf_counter", lambda: times.pop(0))
    return times


def test_the_first_item_does_not_count_for_the_estimate(clock, capsys):
    clock += [0.0, 60.0, 62.0, 64.0, 80.0]  # a minute for the first, then 2 s each
    tick = Ticker("working", 100)
    for done in (1, 2, 3, 11):
        tick(done)
    assert capsys.readouterr().out.splitlines() == [
        "working: 2/100, 3 min 16 s left",
        "working: 11/100, 2 min 58 s left",
    ]


def test_resumed_work(clock, capsys):
    clock += [0.0, 10.0, 20.0]
    tick = Ticker("working", 100)
    tick(50)
    tick(60)
    assert capsys.readouterr().out == "working: 60/100, 40 s left\n"


@pytest.mark.parametrize(("seconds", "text"), [(8.4, "8 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text

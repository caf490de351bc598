"""Points with intervals on one axis: the chart that compares a model with its baselines, or runs with each other.

The template draws it, in SVG whose positions are shares of the width, so that its text keeps its size on a phone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from keras_negaposi.evaluation.bootstrap import Interval

_MARGIN = 6.0
"""Free space at both ends of the axis, in percent of its width."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the chart.

    Attributes:
        name: of the method.
        interval: what is drawn.
        kind: CSS class of the mark: ``run``, ``part``, ``strong`` or ``weak``.
        note: shown at the end of the row.
        spoken: what a screen reader says instead of the drawing.
    """

    name: str
    interval: Interval
    kind: str
    note: str = ""
    spoken: str = ""


@dataclasses.dataclass(frozen=True)
class Mark:
    """An entry with its positions on the axis, in percent of the width."""

    entry: Entry
    low: float
    value: float
    high: float


@dataclasses.dataclass(frozen=True)
class Forest:
    """The chart.

    Attributes:
        marks: from the top down.
        ticks: position in percent of the width, and label.
        reference: position of a vertical line, such as chance.
    """

    marks: list[Mark]
    ticks: list[tuple[float, str]]
    reference: float


def draw_forest(entries: Sequence[Entry], reference: float) -> Forest:
    """Places entries on an axis that shows all of their intervals and the reference.

    Args:
        entries: from the top down; those with an undefined interval are left out.
        reference: value of the vertical line.
    """
    defined = [entry for entry in entries if not math.isnan(entry.interval.low)]
    values = [reference, *(end for entry in defined for end in (entry.interval.low, entry.interval.high))]
    start, end = min(values), max(values)
    end = end if end > start else start + 0.1
    ticks = list(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]).tick_values(start, end))
    start, end = ticks[0], ticks[-1]

    def place(value: float) -> float:
        return round(_MARGIN + (100 - 2 * _MARGIN) * (value - start) / (end - start), 2)

    marks = [
        Mark(entry, place(entry.interval.low), place(entry.interval.value), place(entry.interval.high))
        for entry in defined
    ]
    return Forest(marks, [(place(tick), f"{round(100 * tick, 6):g} %") for tick in ticks], place(reference))

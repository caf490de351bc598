"""``evaluate RUN RUN2 --compare FILE.html``: runs on the same test pairs, on one self-contained page."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_text
from keras_negaposi.evaluation.bootstrap import Interval
from keras_negaposi.evaluation.comparison import BETTER, UNCLEAR, WORSE, Comparison, Difference, compare
from keras_negaposi.evaluation.credibility import read_finished_run
from keras_negaposi.reporting import figures
from keras_negaposi.reporting.examples import SHOWN, Example, example
from keras_negaposi.reporting.forest import Entry, draw_forest
from keras_negaposi.runtime.html import render

MOST_CHANGED = 50
"""Pairs that are on the page for each direction of change."""
_CSS = {BETTER: "believable", WORSE: "not-usable", UNCLEAR: "doubtful"}
"""Class that colours an outcome, as the report of a run colours its status."""
_METRICS = {"accuracy": "accuracy"} | {key: name for key, (name, _) in figures.METRICS.items()}


def compare_runs(paths: Sequence[str], page: str) -> Comparison:
    """Compares finished runs, writes the page and prints the result.

    Args:
        paths: folders of the runs; each is compared with the first one.
        page: file to write.

    Raises:
        InputError: a run is given twice, is not finished or has changed, or the runs have no test pair in common;
            nothing is written.
    """
    whole = [os.path.realpath(path) for path in paths]
    twice = next((path for number, path in enumerate(paths) if whole[number] in whole[:number]), None)
    if twice is not None:
        raise InputError(f"{twice}: given twice; compare it with another run")
    comparison = compare([read_finished_run(path) for path in paths])
    write_text(page, render_comparison(comparison))
    say(describe(comparison))
    say(f"\ncomparison   {page}")
    return comparison


def describe(comparison: Comparison) -> str:
    """Returns the accuracies and what follows from them, for a terminal."""
    lines = [f"{len(comparison.pairs):,} test pairs in common ({_counts(comparison)})"]
    lines += [f"{run.name:<18}{run.accuracy.percent()}" for run in comparison.runs]
    for difference in comparison.differences:
        test = difference.mcnemar
        lines.append(
            f"{difference.compared.name} against {comparison.first.name}: {_signed(difference.metrics['accuracy'])} "
            f"points; only one correct {test.first_alone:,} : {test.second_alone:,}, {figures.p_value(test)}: "
            f"{difference.outcome}"
        )
    return "\n".join(lines)


def render_comparison(comparison: Comparison) -> str:
    """Returns the page."""
    first, runs = comparison.first, comparison.runs
    entries = [
        Entry(run.name, run.accuracy, "run" if run is first else "strong", run.accuracy.percent(), run.name)
        for run in runs
    ]
    return render(
        "keras_negaposi.reporting",
        "comparison.html",
        title=" and ".join(run.name for run in runs),
        common=f"{len(comparison.pairs):,}",
        test_pairs=[(run.name, f"{run.test_pairs:,}") for run in runs],
        first=first.name,
        differences=[_shown(comparison, difference) for difference in comparison.differences],
        forest=draw_forest(entries, first.accuracy.value),
        metrics=[
            (name, [_number(difference.metrics[key]) for difference in comparison.differences])
            for key, name in _METRICS.items()
        ],
        options=_options(comparison),
        shown=SHOWN,
        most=MOST_CHANGED,
    )


@dataclasses.dataclass(frozen=True)
class _Shown:
    """A difference as the template shows it."""

    name: str
    outcome: str
    than: str
    css: str
    change: str
    low: str
    high: str
    p: str
    gained: list[Example]
    lost: list[Example]


def _shown(comparison: Comparison, difference: Difference) -> _Shown:
    """Returns the texts of a difference."""
    first, other = comparison.first, difference.compared
    scores = {first.name: first.scores, other.name: other.scores}

    def examples(rows: list[int]) -> list[Example]:
        return [example(comparison.pairs[row], comparison.texts, row, scores) for row in rows]

    found = difference.metrics["accuracy"]
    return _Shown(
        name=other.name,
        outcome=difference.outcome,
        than="from" if difference.outcome == UNCLEAR else "than",
        css=_CSS[difference.outcome],
        change=_points(found.value),
        low=_points(found.low),
        high=_points(found.high),
        p=figures.p_value(difference.mcnemar),
        gained=examples(difference.gained),
        lost=examples(difference.lost),
    )


def _options(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Returns the options that are not the same in all runs, with the value in each; output folders always differ."""
    values = [dataclasses.asdict(run.run.config) for run in comparison.runs]
    names = [name for name in values[0] if name not in ("output_dir", "resume")]
    return [
        (name, [str(each[name]) for each in values])
        for name in names
        if any(each[name] != values[0][name] for each in values)
    ]


def _counts(comparison: Comparison) -> str:
    return ", ".join(f"{run.name} has {run.test_pairs:,}" for run in comparison.runs)


def _points(value: float) -> str:
    return figures.points(value).removesuffix(" points")


def _signed(interval: Interval) -> str:
    return f"{_points(interval.value)} ({_points(interval.low)} to {_points(interval.high)})"


def _number(interval: Interval) -> str:
    """Returns ``+0.012 (-0.003 to +0.027)`` with minus signs, or that the metric is not defined."""
    if interval.value != interval.value:
        return "not defined"
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})".replace("-", "\u2212")

"""``report.html``: the evaluation of a run on one self-contained page. This module prepares the template's data."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
from markupsafe import Markup

from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.evaluation.verdict import chance, percent
from keras_negaposi.input_pipeline.packing import make_preprocessor
from keras_negaposi.reporting import examples, figures, plots
from keras_negaposi.reporting.facts import facts, name_of, next_steps
from keras_negaposi.reporting.forest import draw_forest
from keras_negaposi.runtime.html import render
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies


def render_report(result: RunEvaluation) -> str:
    """Returns the page; the template escapes everything but the plots."""
    assessment, run = result.assessment, result.run
    guessing = chance(assessment)
    errors = examples.worst_errors(run.scores)
    return render(
        "keras_negaposi.reporting",
        "report.html",
        # At the top
        name=name_of(run),
        verdict=result.verdict,
        facts=facts(run, result.saved),
        accuracy=assessment.figures["accuracy"],
        pairs=f"{assessment.pairs:,}",
        is_grouped=assessment.split == "grouped",
        status=result.status,
        findings=result.findings,
        chance=percent(guessing),
        forest=draw_forest(figures.compared(assessment), guessing),
        # Examples
        error_count=int((~run.scores.correct).sum()),
        errors_in_words=examples.errors_in_words(run.scores),
        errors=examples.chosen(errors, run.test, run.texts, run.scores),
        borderline=examples.chosen(examples.borderline(run.scores), run.test, run.texts, run.scores),
        correct=examples.chosen(examples.typical_correct(run.scores), run.test, run.texts, run.scores),
        shown=examples.SHOWN,
        confusion=result.evaluation.confusion,
        tradeoffs=examples.tradeoffs(run.scores),
        # Figures
        coverage=figures.coverage(assessment),
        ranking=figures.ranking(assessment),
        queries=assessment.ranking.queries if assessment.ranking else 0,
        candidates=assessment.ranking.candidates if assessment.ranking else 0,
        baselines=figures.baselines(assessment),
        metrics=[
            (name, figures.number(assessment.figures[key]), meaning) for key, (name, meaning) in figures.METRICS.items()
        ],
        parts_of_hybrid=figures.parts(assessment),
        weights=figures.weights(assessment),
        dev_rows=figures.dev_rows(result.dev_history),
        kept=result.dev_history.kept,
        overlaps=figures.overlaps(assessment),
        controls=figures.controls(assessment),
        # Plots
        coverage_plot=_drawn("Accuracy of the most confident pairs", plots.coverage(assessment.coverage)),
        curves=_curves(result),
        plots=_plots(result),
        # At the end
        next_steps=next_steps(result),
        command=str(result.saved.get("command") or ""),
        provenance=_provenance(result),
    )


def _drawn(name: str, plot: plots.Plot) -> tuple[str, Markup]:
    """Returns the caption and the SVG element, which holds no text of the user's."""
    return name, Markup(plots.draw(plot, name))


def _curves(result: RunEvaluation) -> list[tuple[str, Markup]]:
    """Returns the curves of the training and the dev pairs, if there are any."""
    if not result.history and not result.dev_history.points:
        return []
    return [
        _drawn(f"Training {name}", plots.learning_curve(result.history, result.dev_history, name))
        for name in ("loss", "accuracy")
    ]


def _plots(result: RunEvaluation) -> list[tuple[str, Markup]]:
    """Returns the plots of the test part's scores."""
    scores, run = result.run.scores, result.run
    # Lengths in pieces, and how many pieces the preprocessor truncates.
    tokenizer = open_tokenizer(with_copies(run.config, run.folder))
    titles = sorted({title for pair in run.test for title in (pair.a, pair.b)})
    ids = tokenizer.encode([run.texts[title] for title in titles])
    pieces = dict(zip(titles, map(len, ids), strict=True))
    both = np.array([(pieces[pair.a], pieces[pair.b]) for pair in run.test])
    lengths = both.sum(axis=1)
    truncated = make_preprocessor(run.config, tokenizer, run.config.layout).pieces_cut(both)

    chosen = [
        ("Scores by class", plots.histogram(scores)),
        ("Calibration", plots.reliability(scores)),
        ("ROC curve", plots.roc(scores)),
        ("Precision and recall", plots.precision_recall(scores)),
        ("Accuracy by length", plots.accuracy_by(lengths, scores, "pieces of A and B")),
    ]
    if truncated.any():
        chosen.append(("Accuracy by truncation", plots.accuracy_by(truncated, scores, "truncated pieces")))
    return [_drawn(name, plot) for name, plot in chosen]


def _provenance(result: RunEvaluation) -> list[tuple[str, str]]:
    """Returns everything that the result depends on: options, versions, hashes and hardware."""
    saved = {name: value for name, value in result.saved.items() if name not in ("command", "config")}
    options = {f"--{name}": value for name, value in dataclasses.asdict(result.run.config).items()}
    return [(name, plain(value)) for name, value in (saved | options).items()]


def plain(value: object) -> str:
    """Returns a value as text without JSON's quotes and braces."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return re.sub(r'["{}]', "", text)

"""``report.html``: the evaluation of a run on one self-contained page. This module prepares the template's data."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from keras_negaposi.evaluation import plots
from keras_negaposi.evaluation.baseline_comparison import (
    COSINE,
    EMBEDDING_COSINE,
    FROZEN_LEXICAL,
    LEXICAL,
    LINEAR_PROBE,
    MODEL_ALONE,
    display_name,
)
from keras_negaposi.evaluation.bootstrap import Interval
from keras_negaposi.evaluation.credibility import HYBRID, PARTNER, Assessment, FinishedRun
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.figures_json import Point
from keras_negaposi.evaluation.metrics import Evaluation
from keras_negaposi.evaluation.verdict import chance, percent
from keras_negaposi.input_pipeline.packing import make_preprocessor
from keras_negaposi.runtime.html import render
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies

MOST_ERRORS = 20
LONGEST_TEXT = 600
"""Characters of a text that are shown."""
_METRICS = {
    "accuracy": ("accuracy", "share of the predictions that are correct"),
    "precision": ("precision", "share of label 1 among the pairs predicted 1"),
    "recall": ("recall", "share of the pairs with label 1 that are predicted 1"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "roc_auc": ("ROC AUC", "how often a pair with label 1 scores above one with label 0; 0.5 is chance"),
    "pr_auc": ("PR AUC", "average precision over all thresholds"),
    "brier": ("Brier score", "mean squared error of the probability; 0 is best, always predicting 0.5 gives 0.25"),
    "ece": ("calibration error", "expected calibration error: by how much probabilities are off; 0 is best"),
}
"""Displayed name and meaning by the metric's name in `bootstrap.METRICS`."""
_CONTRIBUTIONS = {
    MODEL_ALONE: "trained model alone",
    LEXICAL: "lexical features alone",
    PARTNER: "partner run alone (--ensemble)",
    HYBRID: "all together (this run)",
}
_BASELINES = {
    "majority": "always predicts the more frequent class of the training pairs",
    "A only": "reads A, not B; above chance, the labels leak through A",
    "B only": "reads B, not A; above chance, the labels leak through B",
    "lengths only": "knows only how long A and B are",
    COSINE: "similarity of A and B by character n-grams, and their lengths",
    LEXICAL: "shared n-grams and words, similarity of style, and lengths",
    LINEAR_PROBE: "logistic regression on embeddings of the pre-trained encoder, not fine-tuned",
    EMBEDDING_COSINE: "cosine similarity of mean-centred embeddings of the same encoder",
    FROZEN_LEXICAL: "lexical features and the embedding cosine: what a hybrid knows, but nothing is fine-tuned",
}
"""What a baseline knows, by its key."""


@dataclasses.dataclass(frozen=True)
class RunEvaluation:
    """A run and everything that its report shows."""

    run: FinishedRun
    evaluation: Evaluation
    assessment: Assessment
    verdict: str
    warnings: list[str]
    history: list[Point]
    dev_history: DevHistory
    saved: Mapping[str, object]


def render_report(result: RunEvaluation) -> str:
    """Returns the page; the template escapes everything but the plots."""
    assessment = result.assessment
    return render(
        "keras_negaposi.evaluation",
        "report.html",
        verdict=result.verdict,
        pairs=f"{assessment.pairs:,}",
        chance=percent(chance(assessment)),
        warnings=result.warnings,
        accuracy=assessment.figures["accuracy"].percent(),
        baselines=_baselines(assessment),
        hybrid=_weights(assessment),
        contributions=[
            (_CONTRIBUTIONS[name], part.accuracy.percent(), number(part.roc_auc))
            for name, part in (assessment.contributions or {}).items()
        ],
        metrics=[(name, number(assessment.figures[key]), meaning) for key, (name, meaning) in _METRICS.items()],
        confusion=result.evaluation.confusion,
        ranking=_ranking(assessment),
        dev=_dev(result.dev_history),
        plots=_plots(result),
        overlaps=[
            (name, f"{overlap.share:.1%}", number(overlap.accuracy_seen), number(overlap.accuracy_unseen))
            for name, overlap in assessment.seen.items()
        ],
        controls=_controls(assessment),
        errors=_errors(result.run),
        classification_report=result.evaluation.report_text,
        command=str(result.saved.get("command") or ""),
        provenance=_provenance(result),
    )


def number(interval: Interval | None) -> str:
    """Returns ``0.951 (0.940-0.960)``."""
    return f"{interval.value:.3f} ({interval.low:.3f}-{interval.high:.3f})" if interval else "no such pairs"


def _weights(assessment: Assessment) -> dict[str, str] | None:
    """Returns the weights of a hybrid's parts."""
    hybrid = assessment.calibration.combination
    if not hybrid:
        return None
    weights = {"neural": f"{hybrid.neural:.2f}", "lexical": f"{hybrid.lexical:.2f}"}
    return weights | ({"partner": f"{hybrid.partner:.2f}"} if assessment.calibration.ensemble else {})


def _baselines(assessment: Assessment) -> list[dict[str, str]]:
    """Returns a row for each baseline."""
    rows = []
    for key, baseline in assessment.baselines.items():
        test = baseline.mcnemar
        row = {
            "name": display_name(key),
            "accuracy": baseline.accuracy.percent(),
            "difference": f"{test.first_alone:,} : {test.second_alone:,}, p = {test.p_value:.1g}",
            "description": _BASELINES.get(key, ""),
        }
        rows.append(row)
    return rows


def _ranking(assessment: Assessment) -> dict[str, object] | None:
    """Returns the ranking metrics, if they were computed."""
    ranking = assessment.ranking
    if ranking is None:
        return None
    figures = [("R@1", ranking.recall_at_1), ("R@10", ranking.recall_at_10), ("MRR", ranking.mrr)]
    return {
        "queries": ranking.queries,
        "candidates": ranking.candidates,
        "figures": [(name, number(interval)) for name, interval in figures],
    }


def _dev(history: DevHistory) -> dict[str, object] | None:
    """Returns the dev figures of the start, the kept and the last step, if the dev part was evaluated."""
    if not history.points:
        return None
    rows = []
    for name, point in history.landmarks().items():
        if point:
            test, loss = point.against_start, "not finite" if point.loss is None else f"{point.loss:.4f}"
            change = f"+{test.first_alone:,} \u2212{test.second_alone:,} (p = {test.p_value:.2g})" if test else ""
            rows.append((f"{name} (step {point.step:,})", loss, percent(point.accuracy), change))
    return {
        "kept": history.kept,
        "last": history.points[-1].step,
        "rows": rows,
    }


def _plots(result: RunEvaluation) -> list[tuple[str, Markup]]:
    """Returns the plots by caption, as SVG markup without any text of the user's."""
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
        ("ROC curve", plots.roc(scores)),
        ("Precision and recall", plots.precision_recall(scores)),
        ("Calibration", plots.reliability(scores)),
        ("Scores by class", plots.histogram(scores)),
        ("Accuracy by length", plots.accuracy_by(lengths, scores, "pieces of A and B")),
    ]
    if truncated.any():
        chosen.append(("Accuracy by truncation", plots.accuracy_by(truncated, scores, "truncated pieces")))
    if result.history or result.dev_history.points:
        for name in ("loss", "accuracy"):
            chosen.append((f"Training {name}", plots.learning_curve(result.history, result.dev_history, name)))
    return [(name, Markup(plots.draw(plot, name))) for name, plot in chosen]


def _controls(assessment: Assessment) -> list[tuple[str, str]]:
    """Returns the controls by name."""
    calibration, swapped = assessment.calibration, assessment.swapped
    origin = f"chosen on {calibration.chosen_on}" if calibration.chosen_on else "defaults, since there is no dev part"
    return [
        ("linear probes trained on shuffled labels (must be at chance)", number(assessment.shuffled)),
        (f"predictions that stay the same with A and B swapped, of {swapped.pairs:,}", f"{swapped.answer_stays:.1%}"),
        ("predictions of 1 that stay the same with A and B swapped", f"{swapped.yes_stays:.1%}"),
        ("distinct scores", f"{assessment.degenerate.distinct_scores:,}"),
        ("temperature, decision threshold", f"{calibration.temperature:.3f}, {calibration.threshold:.3f} ({origin})"),
    ]


def _errors(run: FinishedRun) -> list[dict[str, object]]:
    """Returns the incorrect predictions with the largest losses, with the texts."""
    worst = [i for i in np.argsort(-run.scores.losses, kind="stable") if not run.scores.correct[i]][:MOST_ERRORS]
    errors = []
    for i in worst:
        pair = run.test[i]
        error = {
            "label": pair.label,
            "probability": f"{run.scores.probabilities[i]:.3f}",
            "sides": [(side, title, shorten(run.texts[title])) for side, title in (("A", pair.a), ("B", pair.b))],
        }
        errors.append(error)
    return errors


def shorten(text: str) -> str:
    """Returns at most `LONGEST_TEXT` characters of a text; a shortened one ends with the number of its characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters)"


def _provenance(result: RunEvaluation) -> list[tuple[str, str]]:
    """Returns everything that the result depends on: options, versions, hashes and hardware."""
    saved = {name: value for name, value in result.saved.items() if name not in ("command", "config")}
    options = {f"--{name}": value for name, value in dataclasses.asdict(result.run.config).items()}
    return [(name, _plain(value)) for name, value in (saved | options).items()]


def _plain(value: object) -> str:
    """Returns a value as text without JSON's quotes and braces."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return re.sub(r'["{}]', "", text)

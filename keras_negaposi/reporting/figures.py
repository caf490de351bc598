"""The tables of the report: rows of text from the figures of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from keras_negaposi.evaluation.baseline_comparison import (
    COSINE,
    EMBEDDING_COSINE,
    FROZEN_LEXICAL,
    LEXICAL,
    LINEAR_PROBE,
    MODEL_ALONE,
    STRONG_BASELINES,
    display_name,
)
from keras_negaposi.evaluation.bootstrap import Interval, McNemar
from keras_negaposi.evaluation.credibility import HYBRID, PARTNER, Assessment
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.verdict import percent
from keras_negaposi.reporting.forest import Entry
from keras_negaposi.serving.calibration import Calibration

METRICS = {
    "precision": ("precision", "share of label 1 among the pairs predicted 1"),
    "recall": ("recall", "share of the pairs with label 1 that are predicted 1"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "roc_auc": ("ROC AUC", "how often a pair with label 1 scores above one with label 0; 0.5 is chance"),
    "pr_auc": ("PR AUC", "average precision over all thresholds"),
    "brier": ("Brier score", "mean squared error of the probability; 0 is best, always predicting 0.5 gives 0.25"),
    "ece": ("calibration error", "expected calibration error: by how much probabilities are off; 0 is best"),
}
"""Displayed name and meaning by the metric's name in `bootstrap.METRICS`; the accuracy is the page's large figure."""
_PARTS = {
    MODEL_ALONE: "model alone",
    LEXICAL: "lexical features alone",
    PARTNER: "partner run alone",
}
_KNOWLEDGE = {
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
_RANKING = {
    "recall_at_1": ("R@1", "share of the queries whose true B is first"),
    "recall_at_10": ("R@10", "share of the queries whose true B is among the first ten"),
    "mrr": ("MRR", "mean of 1 / rank of the true B; 1 is best"),
}


def number(interval: Interval | None) -> str:
    """Returns ``0.951 (0.940-0.960)``."""
    return f"{interval.value:.3f} ({interval.low:.3f}-{interval.high:.3f})" if interval else "no such pairs"


def points(difference: float) -> str:
    """Returns a difference of two accuracies, such as ``+3.1 points``."""
    return f"{100 * difference:+.1f} points".replace("-", "\u2212")


def p_value(test: McNemar) -> str:
    """Returns ``p = 0.03``, or ``p < 0.001``."""
    return "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.2g}"


def compared(assessment: Assessment) -> list[Entry]:
    """Returns the rows of the chart: the run, its parts, the strong baselines from the best down, the other ones."""
    run = assessment.figures["accuracy"]
    rows = [Entry("this run", run, "run", spoken="the accuracy above")]
    for name, part in (assessment.contributions or {}).items():
        if name not in (HYBRID, LEXICAL):  # the lexical features are one of the baselines
            difference = points(run.value - part.accuracy.value)
            rows.append(Entry(_PARTS[name], part.accuracy, "part", difference, part.accuracy.percent()))
    names = sorted(assessment.baselines, key=lambda key: -assessment.baselines[key].accuracy.value)
    for name in sorted(names, key=lambda key: key not in STRONG_BASELINES):
        baseline = assessment.baselines[name]
        note = f"{points(run.value - baseline.accuracy.value)}, {p_value(baseline.mcnemar)}"
        kind = "strong" if name in STRONG_BASELINES else "weak"
        rows.append(Entry(display_name(name), baseline.accuracy, kind, note, baseline.accuracy.percent()))
    return rows


def baselines(assessment: Assessment) -> list[tuple[str, ...]]:
    """Returns name, accuracy, pairs that only one gets correct, p and what the baseline knows."""
    return [
        (
            display_name(key),
            baseline.accuracy.percent(),
            f"{baseline.mcnemar.first_alone:,} : {baseline.mcnemar.second_alone:,}",
            p_value(baseline.mcnemar),
            _KNOWLEDGE.get(key, ""),
        )
        for key, baseline in assessment.baselines.items()
    ]


def weights(assessment: Assessment) -> list[tuple[str, str]]:
    """Returns the weights of a hybrid's parts; none for a model alone."""
    hybrid = assessment.calibration.combination
    if not hybrid:
        return []
    found = [("the model", f"{hybrid.neural:.2f}"), ("the lexical features", f"{hybrid.lexical:.2f}")]
    return found + ([("the partner run", f"{hybrid.partner:.2f}")] if assessment.calibration.ensemble else [])


def parts(assessment: Assessment) -> list[tuple[str, str, str]]:
    """Returns name, accuracy and ROC AUC of each part of a hybrid."""
    found = assessment.contributions or {}
    return [
        (_PARTS[name], part.accuracy.percent(), number(part.roc_auc)) for name, part in found.items() if name != HYBRID
    ]


def ranking(assessment: Assessment) -> list[tuple[str, ...]]:
    """Returns name, figure of the model, of the lexical baseline, of chance, and meaning; none if not computed."""
    found = assessment.ranking
    if found is None:
        return []
    return [
        (
            name,
            number(getattr(found, key)),
            number(getattr(found.lexical, key)),
            f"{getattr(found.chance, key):.3f}",
            meaning,
        )
        for key, (name, meaning) in _RANKING.items()
    ]


def dev_rows(history: DevHistory) -> list[tuple[str, ...]]:
    """Returns name, loss, accuracy and change of the start, the kept and the last step."""
    rows: list[tuple[str, ...]] = []
    for name, point in history.landmarks().items():
        if point:
            test, loss = point.against_start, "not finite" if point.loss is None else f"{point.loss:.4f}"
            change = f"+{test.first_alone:,} \u2212{test.second_alone:,} ({p_value(test)})" if test else ""
            rows.append((f"{name} (step {point.step:,})", loss, percent(point.accuracy), change))
    return rows


def overlaps(assessment: Assessment) -> list[tuple[str, ...]]:
    """Returns what overlaps with training, the share of the test pairs, and the accuracy on these and the others."""
    return [
        (name, percent(found.share), *_on(found.accuracy_seen, found.accuracy_unseen))
        for name, found in assessment.seen.items()
    ]


def _on(seen: Interval | None, unseen: Interval | None) -> Sequence[str]:
    """Returns the accuracy on both kinds of pairs, if there are both."""
    return (seen.percent(), unseen.percent()) if seen and unseen else ("\u2013", "\u2013")


def controls(assessment: Assessment) -> list[tuple[str, str]]:
    """Returns the controls by name."""
    calibration, swapped = assessment.calibration, assessment.swapped
    origin = f"chosen on {calibration.chosen_on}" if calibration.chosen_on else "defaults, since there is no dev part"
    return [
        ("linear probes trained on shuffled labels (must be at chance)", number(assessment.shuffled)),
        (f"predictions that stay the same with A and B swapped, of {swapped.pairs:,}", percent(swapped.answer_stays)),
        ("predictions of 1 that stay the same with A and B swapped", percent(swapped.yes_stays)),
        ("distinct scores", f"{assessment.degenerate.distinct_scores:,}"),
        _scaling(calibration, origin),
        ("decision threshold", f"{calibration.decision_threshold:.3f} ({origin})"),
    ]


def _scaling(calibration: Calibration, origin: str) -> tuple[str, str]:
    """Returns what calibrates the model alone: the weights of its logit and of the densities, or the temperature."""
    if weights := calibration.density:
        name = "weights of the model's logit and of the densities of A and B"
        return name, f"{weights.logit:.3f} and {weights.density:.3f} ({origin})"
    return "temperature of the model", f"{calibration.temperature:.3f} ({origin})"


def coverage(assessment: Assessment) -> list[tuple[str, str, str]]:
    """Returns share, number and accuracy of the most confident pairs; all pairs have the page's large figure."""
    return [
        (f"{each.share:.0%}".replace("%", " %"), f"{each.pairs:,}", each.accuracy.percent())
        for each in assessment.coverage[:-1]
    ]

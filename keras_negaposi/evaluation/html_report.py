"""``report.html``: a judged run on one self-contained page."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from importlib import resources
from string import Template

import numpy as np

from keras_negaposi.evaluation import plots
from keras_negaposi.evaluation.bootstrap import Interval
from keras_negaposi.evaluation.credibility import Assessment, FinishedRun
from keras_negaposi.evaluation.figures_json import Point
from keras_negaposi.evaluation.metrics import Evaluation
from keras_negaposi.input_pipeline.packing import PREPROCESSORS
from keras_negaposi.input_pipeline.tokenizer import Tokenizer
from keras_negaposi.runtime.html import escape

WORST = 20
LONGEST_TEXT = 600
_FIGURES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC (average precision)",
    "brier": "Brier score (0 is best)",
    "ece": "expected calibration error (0 is best)",
}


@dataclasses.dataclass(frozen=True)
class RunEvaluation:
    """A run with everything that its report shows."""

    run: FinishedRun
    evaluation: Evaluation
    assessment: Assessment
    verdict: str
    warnings: list[str]
    history: list[Point]
    saved: dict[str, object]


def render_report(judged: RunEvaluation) -> str:
    """Fills the page's template; everything that comes from the user is escaped."""
    template = Template(
        resources.files("keras_negaposi.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    )
    (true_negative, false_positive), (false_negative, true_positive) = judged.evaluation.confusion
    return template.substitute(
        verdict=escape(judged.verdict),
        warnings="".join(f"<li>{escape(warning)}</li>" for warning in judged.warnings),
        baselines=_baselines(judged.assessment),
        figures=_rows((name, number(judged.assessment.figures[key])) for key, name in _FIGURES.items()),
        true_negative=true_negative,
        false_positive=false_positive,
        false_negative=false_negative,
        true_positive=true_positive,
        ranking=_ranking(judged.assessment),
        plots="".join(f"<figure><figcaption>{name}</figcaption>{svg}</figure>" for name, svg in _plots(judged)),
        seen=_seen(judged.assessment),
        controls=_controls(judged.assessment),
        errors=_errors(judged.run),
        classification_report=escape(judged.evaluation.report_text),
        command=escape(str(judged.saved.get("command") or "")),
        provenance=_rows((name, escape(value)) for name, value in _provenance(judged)),
    )


def number(interval: Interval | None) -> str:
    """``0.951 (0.940-0.960)``."""
    return f"{interval.value:.3f} ({interval.low:.3f}-{interval.high:.3f})" if interval else "no such pairs"


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<tr><th>{name}</th><td>{value}</td></tr>\n" for name, value in rows)


def _baselines(assessment: Assessment) -> str:
    rows = [f"<tr><th>the trained model</th><td>{assessment.figures['accuracy'].percent()}</td><td></td></tr>\n"]
    for name, found in assessment.baselines.items():
        test = found.mcnemar
        against = f"{test.first_alone:,} : {test.second_alone:,}, p = {test.p_value:.1g}"
        rows.append(f"<tr><th>{name}</th><td>{found.accuracy.percent()}</td><td>{against}</td></tr>\n")
    return "".join(rows)


def _ranking(assessment: Assessment) -> str:
    found = assessment.ranking
    if found is None:
        return "<p>Not asked for (--rank_queries).</p>"
    rows = (("R@1", found.recall_at_1), ("R@10", found.recall_at_10), ("MRR", found.mrr))
    table = _rows([(name, number(interval)) for name, interval in rows])
    return (
        f"<p>The true B among the {found.candidates} pages most like A (TF-IDF), for {found.queries} A.</p>"
        f"<table>{table}</table>"
    )


def _plots(judged: RunEvaluation) -> list[tuple[str, str]]:
    scores, run = judged.run.scores, judged.run
    tokenizer = Tokenizer(run.folder.sentencepiece_model, run.folder.vocabulary, run.config.do_lower_case)
    titles = sorted({title for pair in run.test for title in (pair.a, pair.b)})
    ids = tokenizer.encode([run.texts[title] for title in titles])
    pieces = dict(zip(titles, map(len, ids), strict=True))
    both = np.array([(pieces[pair.a], pieces[pair.b]) for pair in run.test])
    lengths = both.sum(axis=1)
    cut = PREPROCESSORS[run.config.layout].pieces_cut(both, run.config.max_seq_length)
    wanted = [
        ("ROC curve", plots.roc(scores)),
        ("Precision and recall", plots.precision_recall(scores)),
        ("Reliability", plots.reliability(scores)),
        ("Scores of either class", plots.histogram(scores)),
        ("Accuracy by length", plots.accuracy_by(lengths, scores, "pieces of A and B")),
    ]
    if cut.any():
        wanted.append(("Accuracy by what was cut off", plots.accuracy_by(cut, scores, "pieces cut off")))
    if judged.history:
        wanted += [(f"Training {name}", plots.learning_curve(judged.history, name)) for name in ("loss", "accuracy")]
    return [(name, plots.draw(plot, name)) for name, plot in wanted]


def _seen(assessment: Assessment) -> str:
    return "".join(
        f"<tr><th>{name}</th><td>{found.share:.1%}</td><td>{number(found.accuracy_seen)}</td>"
        f"<td>{number(found.accuracy_unseen)}</td></tr>\n"
        for name, found in assessment.seen.items()
    )


def _controls(assessment: Assessment) -> str:
    calibration = assessment.calibration
    chosen = f"chosen on {calibration.chosen_on}" if calibration.chosen_on else "defaults: there is no dev part"
    return _rows(
        [
            ("frozen encoder, trained on shuffled labels (must be at chance)", number(assessment.shuffled)),
            ("answers that stay when A and B are exchanged", f"{assessment.swapped.answer_stays:.1%}"),
            ("yes that stays yes then", f"{assessment.swapped.yes_stays:.1%}"),
            ("distinct scores", f"{assessment.degenerate.distinct_scores:,}"),
            ("temperature, threshold", f"{calibration.temperature:.3f}, {calibration.threshold:.3f} ({chosen})"),
        ]
    )


def _errors(run: FinishedRun) -> str:
    losses = run.scores.losses
    worst = [i for i in np.argsort(-losses, kind="stable") if not run.scores.correct[i]][:WORST]
    blocks = []
    for i in worst:
        pair = run.test[i]
        said = f"is {pair.label}, said {run.scores.probabilities[i]:.3f}"
        sides = "".join(
            f"<h4>{side}: {escape(title)}</h4><p>{escape(shorten(run.texts[title]))}</p>"
            for side, title in (("A", pair.a), ("B", pair.b))
        )
        blocks.append(f"<article><p>{said}</p>{sides}</article>\n")
    return "".join(blocks) or "<p>None.</p>"


def shorten(text: str) -> str:
    """At most `LONGEST_TEXT` characters, and how many there are."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters)"


def _provenance(judged: RunEvaluation) -> list[tuple[str, str]]:
    saved = {name: value for name, value in judged.saved.items() if name not in ("command", "config")}
    config = dataclasses.asdict(judged.run.config)
    values = saved | {f"--{name}": value for name, value in config.items()}
    return [(escape(name), _plain(value)) for name, value in values.items()]


def _plain(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return re.sub(r'["{}]', "", text)

"""``report.html``: the run's figures on one self-contained page."""

from __future__ import annotations

import dataclasses
import html
from importlib import resources
from string import Template

from keras_negaposi.callbacks import duration
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluation import Evaluation


def render_report(
    test: Evaluation, config: TrainConfig, history: list[dict[str, float]], command: str, seconds: float
) -> str:
    """Fills the page's template; everything that comes from the user is escaped."""
    template = Template(resources.files("keras_negaposi").joinpath("report.html").read_text(encoding="utf-8"))
    unseen = "documents never seen in training" if config.split == "grouped" else "pairs never seen in training"
    (true_negative, false_positive), (false_negative, true_positive) = test.confusion
    return template.substitute(
        verdict=f"{test.eval_accuracy:.1%} right on {test.pairs:,} {unseen}",
        true_negative=true_negative,
        false_positive=false_positive,
        false_negative=false_negative,
        true_positive=true_positive,
        classification_report=html.escape(test.report_text),
        eval_results=html.escape(test.eval_results()),
        history="".join(_history_row(point) for point in history),
        command=html.escape(command),
        duration=duration(seconds),
        config="".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in dataclasses.asdict(config).items()
        ),
    )


def _history_row(point: dict[str, float]) -> str:
    return (
        f"<tr><td>{point['step']:,}</td><td>{point['loss']:.4f}</td><td>{point['accuracy']:.3f}</td>"
        f"<td>{point['learning_rate']:.2e}</td><td>{point['pairs_per_second']:.1f}</td></tr>\n"
    )

"""The results of a run without a test part (``--test_share 0``): they say that nothing was measured.

``metrics.json`` and ``report.html`` are written. What needs test pairs is not: ``eval_results.txt``, the classification
report, ``scores_test.tsv``, the model card and TensorBoard's figures.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import write_text
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.evaluation.metrics import SCHEMA, evaluate
from keras_negaposi.evaluation.status import NOT_MEASURED, Status
from keras_negaposi.reporting.facts import facts, name_of
from keras_negaposi.runtime.html import render

REASON = "no pair was held out (--test_share 0), so nothing says how good the model is"


def write_unmeasured(run: FinishedRun, step: int, dev_history: DevHistory, saved: Mapping[str, object]) -> None:
    """Writes the results and prints where they are.

    Args:
        run: without test pairs.
        step: the step whose weights were kept.
        dev_history: the evaluations of the dev part, which chose that step and are no measure of the model.
        saved: the content of ``config.json``.
    """
    verdict, folder = f"{NOT_MEASURED}: {REASON}", run.folder
    metrics: dict[str, object] = {"schema": SCHEMA, "global_step": step, "verdict": verdict, "warnings": []}
    metrics |= {"status": dataclasses.asdict(Status(NOT_MEASURED, REASON)), "dev_history": dev_history.figures()}
    metrics |= {"calibration": dataclasses.asdict(run.calibration)}
    if "dev" in run.scores_by_part:
        metrics["dev"] = evaluate(run.scores_by_part["dev"], step).metrics()
    command = f"python -m keras_negaposi.evaluate {shlex.quote(folder.path)} --pairs TABLE"
    page = render(
        __package__,
        "unmeasured.html",
        name=name_of(run),
        facts=facts(run, saved),
        level=NOT_MEASURED,
        reason=REASON,
        command=command,
    )
    write_text(folder.report, page)
    write_figures(folder.metrics, metrics)
    say(f"\n{verdict}\nreport       {folder.report}\nSavedModel   {folder.saved_model}\nmeasure it   {command}")

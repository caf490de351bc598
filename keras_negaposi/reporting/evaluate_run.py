"""Evaluation of a finished run: reads the run, computes its metrics and credibility, writes and prints the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_json, write_json, write_text
from checkpoints_tools.common.schema import checked
from keras_negaposi.config.saved import FIX
from keras_negaposi.evaluation.baseline_comparison import MODEL_ALONE, display_name
from keras_negaposi.evaluation.credibility import Assessment, assess, read_finished_run
from keras_negaposi.evaluation.dev_history import read_dev_history
from keras_negaposi.evaluation.figures_json import read_history
from keras_negaposi.evaluation.findings import find_findings
from keras_negaposi.evaluation.metrics import evaluate, write_evaluation
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.reporting.model_card import render_card, write_card
from keras_negaposi.reporting.run_report import render_report
from keras_negaposi.reporting.tensorboard import write_tensorboard
from keras_negaposi.reporting.unmeasured_run import write_unmeasured
from keras_negaposi.runtime.saved_run import read_saved

EXIT_REQUIREMENT_FAILED = 1
_HYBRID = "hybrid"
"""Key in ``config.json`` of what the parts of a hybrid contribute."""


def evaluate_finished_run(path: str) -> RunEvaluation | None:
    """Evaluates the test part of the run in a folder; writes ``metrics.json``, ``report.html`` and the other results.

    Returns:
        The evaluation; ``None`` if there is no test part, which the results then say.

    Raises:
        InputError: the run is not finished, one of its files is damaged, or its data has moved or changed; the
            results in the folder are unchanged.
    """
    # 1. Read and check everything.
    run = read_finished_run(path)
    total_steps = read_saved(path).total_steps
    if total_steps is None:
        raise InputError(f"{run.folder.config}: total_steps is missing; {FIX}")
    history, dev_history = read_history(run.folder.history), read_dev_history(run.folder.dev_history)
    saved = checked(dict[str, object], read_json(run.folder.config), run.folder.config, FIX)
    saved.pop(_HYBRID, None)  # of an earlier evaluation

    # 2. Compute.
    step = total_steps if dev_history.kept is None else dev_history.kept
    if not run.test:
        write_unmeasured(run, step, dev_history, saved)
        return None
    evaluations = {part: evaluate(scores, step) for part, scores in run.scores_by_part.items()}
    assessment = assess(run)
    findings = find_findings(assessment, dev_history)
    result = RunEvaluation(run, evaluations["test"], assessment, findings, history, dev_history, saved)

    # 3. Render: JSON, HTML, the model card, TensorBoard and the terminal.
    more = dataclasses.asdict(assessment) | {"verdict": result.verdict, "warnings": result.warnings}
    more |= {"status": dataclasses.asdict(result.status), "dev_history": dev_history.figures()}
    write_evaluation(run.folder, evaluations, more)
    if assessment.contributions:
        write_json(run.folder.config, saved | {_HYBRID: _parts(assessment)})
    write_text(run.folder.report, render_report(result))
    write_card(run.folder.card, render_card(result))
    write_tensorboard(result)
    say(describe(assessment, result.verdict, result.warnings))
    return result


def _parts(assessment: Assessment) -> dict[str, dict[str, Any]]:
    """Returns the weights of a hybrid's parts, and the test accuracy of each part and of all together."""
    calibration, contributions = assessment.calibration, assessment.contributions or {}
    fitted = {"weights": calibration.combination, "densities": calibration.density}
    weights = {name: dataclasses.asdict(values) for name, values in fitted.items() if values}
    return weights | {"accuracy": {name: part.accuracy.value for name, part in contributions.items()}}


def exit_code(accuracy: float, warnings: Sequence[str], require_accuracy: float, fail_on_warning: bool) -> int:
    """Returns 0, or 1 with a message if the result does not meet the user's requirements."""
    if accuracy < require_accuracy:
        say(f"failed: accuracy {accuracy:.4f} is below --require_accuracy {require_accuracy}")
    elif fail_on_warning and warnings:
        say(f"failed: --fail_on_warning is set and there are warnings ({len(warnings)})")
    else:
        return 0
    return EXIT_REQUIREMENT_FAILED


def exit_code_unmeasured(require_accuracy: float, fail_on_warning: bool) -> int:
    """Returns 0, or 1 with a message if the user requires a result of a run that has none."""
    if not require_accuracy and not fail_on_warning:
        return 0
    say("failed: the run has no test part (--test_share 0), so no requirement is met")
    return EXIT_REQUIREMENT_FAILED


def describe(assessment: Assessment, sentence: str, warnings: list[str]) -> str:
    """Returns the accuracies of the model and the baselines, the verdict and the warnings, for a terminal."""
    rows = [("hybrid" if assessment.contributions else "trained model", assessment.figures["accuracy"].percent())]
    if assessment.contributions:
        rows.append(("model alone", assessment.contributions[MODEL_ALONE].accuracy.percent()))
    rows += [(display_name(name), baseline.accuracy.percent()) for name, baseline in assessment.baselines.items()]
    lines = [f"{name:<18}{figure}" for name, figure in rows]
    return "\n".join([*lines, "", sentence, *(f"warning: {warning}" for warning in warnings)])

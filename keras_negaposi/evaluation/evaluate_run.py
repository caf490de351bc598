"""A finished run judged: its figures, its assessment, the verdict, and the files that hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_json, write_text
from keras_negaposi.config.saved import FIX
from keras_negaposi.evaluation.credibility import Assessment, assess, read_finished_run
from keras_negaposi.evaluation.figures_json import read_history
from keras_negaposi.evaluation.html_report import RunEvaluation, render_report
from keras_negaposi.evaluation.metrics import evaluate, write_evaluation
from keras_negaposi.evaluation.tensorboard import write_board
from keras_negaposi.evaluation.verdict import find_warnings, verdict
from keras_negaposi.runtime.saved_run import read_saved

EXIT_FELL_SHORT = 1


def judge(path: str) -> RunEvaluation:
    """Evaluates and assesses a finished run's test part, writes ``metrics.json``, ``report.html`` and the rest.

    Raises:
        InputError: the run is not finished, a file of it is damaged, or its data has moved or changed; the figures
            stay as they were.
    """
    run = read_finished_run(path)
    step = read_saved(path).total_steps
    if step is None:
        raise InputError(f"{run.folder.config}: total_steps is missing; {FIX}")
    history = read_history(run.folder.history)
    evaluations = {part: evaluate(scores, step) for part, scores in run.scores_by_part.items()}
    assessment = assess(run)
    warnings = find_warnings(assessment)
    sentence = verdict(assessment, warnings)
    more = dataclasses.asdict(assessment) | {"verdict": sentence, "warnings": warnings}
    write_evaluation(run.folder, evaluations, more)
    saved = read_json(run.folder.config)
    judged = RunEvaluation(run, evaluations["test"], assessment, sentence, warnings, history, saved)
    write_text(run.folder.report, render_report(judged))
    write_board(run, evaluations["test"], assessment)
    say(tell(assessment, sentence, warnings))
    return judged


def exit_code(accuracy: float, warnings: Sequence[str], require_accuracy: float, fail_on_warning: bool) -> int:
    """0, or 1 where a result falls short of what was required of it, which is told."""
    if accuracy < require_accuracy:
        say(f"failed: accuracy {accuracy:.4f} is below --require_accuracy {require_accuracy}")
    elif fail_on_warning and warnings:
        say(f"failed: --fail_on_warning, and there are warnings ({len(warnings)})")
    else:
        return 0
    return EXIT_FELL_SHORT


def tell(assessment: Assessment, sentence: str, warnings: list[str]) -> str:
    """The model beside its baselines, the verdict and the warnings, for a terminal."""
    rows = [("trained model", assessment.figures["accuracy"].percent())]
    rows += [(name, found.accuracy.percent()) for name, found in assessment.baselines.items()]
    lines = [f"{name:<18}{figure}" for name, figure in rows]
    return "\n".join([*lines, "", sentence, *(f"warning: {warning}" for warning in warnings)])

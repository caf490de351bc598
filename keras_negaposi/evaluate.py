"""``python -m keras_negaposi.evaluate``: evaluates a finished run again, or scores other labelled pairs with it.

Without flags it computes the run's figures, baselines, controls and report again. With --negaposi or
--pairs it scores the pairs of another file, and with --precision int8 the run's test pairs in 8 bits.
Several runs are compared with the first one: RUN RUN2 --compare FILE.html.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, make_config, make_parser, run_command
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PAIR_SOURCES, EvaluateConfig, check_pairs_given
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.runtime.saved_run import check_single, saved_options


def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluates the run itself or other pairs, and returns the exit code that was required of the result."""
    given = given_options(EvaluateConfig, arguments)
    if given.keys() & {*PAIR_SOURCES}:
        check_pairs_given(given)
    config = make_config(EvaluateConfig, given, given)
    run, *others = arguments.run
    check_comparison(others, config.compare)
    from keras_negaposi.evaluation.other_pairs import evaluate_pairs
    from keras_negaposi.reporting import evaluate_run

    if config.compare:
        from keras_negaposi.reporting.comparison_page import compare_runs

        compare_runs(arguments.run, config.compare)
        return 0
    if config.is_of_run:
        check_single(saved_options(run))  # before the lock makes a folder
        with locked(run):
            result = evaluate_run.evaluate_finished_run(run)
        if result is None:  # there is no test part
            return evaluate_run.exit_code_unmeasured(config.require_accuracy, config.fail_on_warning)
        accuracy, warnings = result.evaluation.eval_accuracy, result.warnings
    else:
        accuracy, warnings = evaluate_pairs(run, config).eval_accuracy, []
    return evaluate_run.exit_code(accuracy, warnings, config.require_accuracy, config.fail_on_warning)


def check_comparison(others: list[str], page: str | None) -> None:
    """Checks that several runs and ``--compare`` are given together.

    Raises:
        InputError: one of them is missing.
    """
    if page and not others:
        raise InputError(f"--compare {page}: needs two runs or more: RUN RUN2 --compare FILE.html")
    if others and not page:
        raise InputError(f"{others[0]}: only one RUN is evaluated; to compare several, give --compare FILE.html")


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.evaluate", __doc__, "RUN [RUN2 ...] [--FLAG VALUE ...]")
    parser.add_argument("run", metavar="RUN", nargs="+", type=a_path, help="folder of a finished run")
    add_options(parser, EvaluateConfig)
    return run_command(parser, evaluate, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m keras_negaposi.evaluate``: says how far a finished run can be believed, or scores another pair file.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, add_flags, given_flags, make_config, make_parser, run_command
from keras_negaposi.config import EvaluateConfig, check_required
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.runtime.saved_run import check_single, saved_options


def evaluate(arguments: argparse.Namespace) -> int:
    """Configures and evaluates."""
    values = given_flags(EvaluateConfig, arguments)
    own = not values.keys() & {"honbun", "negaposi"}
    if own and values.get("precision", "float32") == "float32":
        config = make_config(EvaluateConfig, values)
        from keras_negaposi.evaluation import evaluate_run

        check_single(saved_options(arguments.run))  # before the lock makes a folder
        with locked(arguments.run):
            result = evaluate_run.evaluate_finished_run(arguments.run)
        accuracy, warnings = result.evaluation.eval_accuracy, result.warnings
        return evaluate_run.exit_code(accuracy, warnings, config.require_accuracy, config.fail_on_warning)
    if not own:
        check_required(values, ("honbun", "negaposi"))
    config = make_config(EvaluateConfig, values)
    from keras_negaposi.evaluation.evaluate_run import exit_code
    from keras_negaposi.evaluation.other_pairs import evaluate_pairs

    found = evaluate_pairs(arguments.run, config)
    return exit_code(found.eval_accuracy, [], config.require_accuracy, False)


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.evaluate", __doc__)
    parser.add_argument("run", metavar="RUN", type=a_path, help="the folder of a finished run")
    add_flags(parser, EvaluateConfig)
    return run_command(parser, evaluate, argv)


if __name__ == "__main__":
    sys.exit(main())

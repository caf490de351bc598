"""``python -m keras_negaposi.predict``: scores pairs of texts with a finished run.

Input is a table with the columns text_a and text_b or those of --columns (CSV, TSV or .parquet), tab-separated text_a
and text_b without column names, or JSON lines ({"text_a": ..., "text_b": ...} or [text_a, text_b]). Output is one line
per pair, in the order of the input: tab-separated probability and label, or JSON lines where the input is JSON lines.
Pairs from stdin are scored as soon as a batch is complete; a file is scored faster, because pairs of similar length
share a batch.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, make_config, make_parser, run_command
from keras_negaposi.config import PredictConfig
from keras_negaposi.config.given import add_options, given_options


def predict(arguments: argparse.Namespace) -> None:
    """Scores the pairs."""
    given = given_options(PredictConfig, arguments)
    config = make_config(PredictConfig, given, given)
    from keras_negaposi.serving.score_file import score_file

    score_file(arguments.model, config)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.predict", __doc__, "RUN_OR_SAVED_MODEL [--FLAG VALUE ...]")
    parser.add_argument("model", metavar="RUN_OR_SAVED_MODEL", type=a_path, help="folder of a run, or a SavedModel")
    add_options(parser, PredictConfig)
    return run_command(parser, predict, argv)


if __name__ == "__main__":
    sys.exit(main())

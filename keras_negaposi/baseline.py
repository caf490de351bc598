"""``python -m keras_negaposi.baseline``: accuracy of the untrained encoder and of simpler methods on the same split.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys
import time

from checkpoints_tools.common.cli import make_config, make_parser, run_command
from keras_negaposi.config import BaselineConfig, check_complete, check_pairs_given, complete_model_files
from keras_negaposi.config.given import add_options, given_options


def baseline(arguments: argparse.Namespace) -> None:
    """Completes the configuration and scores the baselines."""
    given = given_options(BaselineConfig, arguments)
    values = complete_model_files(given)
    check_pairs_given(values)
    check_complete(values)
    values.setdefault("output_dir", time.strftime("runs/baseline-%Y%m%d-%H%M%S"))
    config = make_config(BaselineConfig, values, given)
    from keras_negaposi.evaluation import baselines

    baselines.run(config)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.baseline", __doc__, "[--FLAG VALUE ...]")
    add_options(parser, BaselineConfig)
    return run_command(parser, baseline, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m keras_negaposi.train``: trains, evaluates and exports a pair classifier."""

from __future__ import annotations

import argparse
import shlex
import sys
import time

from keras_negaposi.config import TrainConfig, check_required, complete_model_files
from keras_negaposi.options import add_flags, given_flags, make_config, make_parser, run_command
from keras_negaposi.run_folder import check_same, check_unused, saved_config


def configure(arguments: argparse.Namespace) -> TrainConfig:
    """The complete configuration: flags, what lies beside the checkpoint, or the run that is resumed.

    Raises:
        InputError: a flag is missing or cannot be used.
    """
    given = given_flags(TrainConfig, arguments)
    output_dir = given.get("output_dir")
    if given.get("resume"):
        check_required(given, ("output_dir",))
        saved = saved_config(output_dir)
        check_same(saved, given, output_dir)
        return make_config(TrainConfig, saved | given)
    values = complete_model_files(given)
    check_required(values)
    values["output_dir"] = output_dir or time.strftime("runs/%Y%m%d-%H%M%S")
    config = make_config(TrainConfig, values)
    check_unused(config.output_dir)
    return config


def train(arguments: argparse.Namespace) -> None:
    """Configures and runs."""
    config = configure(arguments)
    from keras_negaposi import training

    training.run(config, command=shlex.join(["python", "-m", "keras_negaposi.train", *sys.argv[1:]]))


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.train", __doc__)
    add_flags(parser, TrainConfig)
    return run_command(parser, train, argv)


if __name__ == "__main__":
    sys.exit(main())

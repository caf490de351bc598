"""``python -m keras_negaposi.index``: encodes every page once with a finished run, for fast suggestions.

An existing index is updated: only new and changed pages are encoded. If the command is killed at any time, the index
stays valid.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, add_flags, given_flags, make_config, make_parser, run_command
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from keras_negaposi.config import IndexConfig, check_required
from keras_negaposi.runtime.saved_run import saved_config


def index(arguments: argparse.Namespace) -> None:
    """Builds or updates the index; its pages are the texts of the run unless others are given."""
    given = given_flags(IndexConfig, arguments)
    check_required(given, ("output",))
    make_config(IndexConfig, given, given)  # rejects flags without effect before the run is read
    own = saved_config(arguments.run)["honbun"]
    if "honbun" not in given and not (own and exists(own)):
        raise InputError(f"{own}: no such file any more, on which {arguments.run} was trained; give --honbun")
    config = make_config(IndexConfig, {"honbun": own} | given)
    from keras_negaposi.retrieval import build_index

    build_index(arguments.run, config)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.index", __doc__, "RUN [--FLAG VALUE ...]")
    parser.add_argument(
        "run", metavar="RUN", type=a_path, help="folder of a finished run whose head has one input each for A and B"
    )
    add_flags(parser, IndexConfig)
    return run_command(parser, index, argv)


if __name__ == "__main__":
    sys.exit(main())

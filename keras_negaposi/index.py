"""``python -m keras_negaposi.index``: keeps what a finished run's model makes of every page, to rank them quickly.

Called again it encodes only what has changed. Killed at any time it leaves a valid index.

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
    """Configures and builds; the pages are the run's own texts unless others are given."""
    given = given_flags(IndexConfig, arguments)
    check_required(given, ("output",))
    own = saved_config(arguments.run)["honbun"]
    if "honbun" not in given and not (own and exists(own)):
        raise InputError(f"{own}: no such file any more, on which {arguments.run} was trained; give --honbun")
    config = make_config(IndexConfig, {"honbun": own} | given)
    from keras_negaposi.retrieval import build_index

    build_index(arguments.run, config)


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.index", __doc__)
    parser.add_argument(
        "run", metavar="RUN", type=a_path, help="folder of a finished run whose head encodes A and B apart"
    )
    add_flags(parser, IndexConfig)
    return run_command(parser, index, argv)


if __name__ == "__main__":
    sys.exit(main())

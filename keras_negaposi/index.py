"""``python -m keras_negaposi.index``: prepares all pages for fast suggestions, with a finished run or without any.

With RUN, every page is encoded once by its model. Without, nothing is trained: pages are compared by lexical features,
which takes seconds, and with --init_checkpoint also by the vectors of a pre-trained BERT.

An existing index is updated: only new and changed pages are encoded. If the command is killed at any time, the index
stays valid. With --output postgresql://... several machines share one index.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from checkpoints_tools.common.cli import a_path, make_config, make_parser, run_command, say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from keras_negaposi.config import IndexConfig, check_complete, check_required, complete_model_files
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_config, saved_options


def index(arguments: argparse.Namespace) -> None:
    """Builds or updates the index; its pages are the texts of the run unless others are given."""
    given = given_options(IndexConfig, arguments)
    run = arguments.run_folder or given.get("run")
    if arguments.run_folder and given.get("run"):
        raise InputError("RUN and --run: give one of the two")
    given |= {"run": run} if run else {}
    check_required(given, ("output",))
    make_config(IndexConfig, given, given)  # rejects flags without effect before anything is read
    values = _of_run(run, given) if run else _without_run(given)
    config = make_config(IndexConfig, values, given)
    from keras_negaposi.retrieval import build_index
    from keras_negaposi.tokenizers.opening import describe

    described = saved_options(run) if run else config.pretrained
    if described.init_checkpoint:
        say(describe(described))
    build_index(run, config)


def _of_run(run: str, given: dict[str, Any]) -> dict[str, Any]:
    """Adds the texts of the run unless others are given."""
    own = saved_config(run)["honbun"]
    if "honbun" not in given and not (own and exists(own)):
        gone = own or RunFolder(run).honbun
        raise InputError(f"{gone}: no such file any more, on which {run} was trained; give --honbun")
    return {"honbun": own} | given


def _without_run(given: dict[str, Any]) -> dict[str, Any]:
    """Adds the files next to ``--init_checkpoint``, if it is given."""
    check_required(given, ("honbun",))
    if "init_checkpoint" not in given:
        return given
    values = complete_model_files(given)
    check_complete(values, ())
    return values


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.index", __doc__, "[RUN] [--FLAG VALUE ...]")
    parser.add_argument(
        "run_folder",
        metavar="RUN",
        nargs="?",
        type=a_path,
        help="folder of a finished run whose head has one input each for A and B",
    )
    add_options(parser, IndexConfig)
    return run_command(parser, index, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m keras_negaposi.suggest``: the pages of an index that are most likely to come next after one.

``--title`` takes a page of the index, ``--text`` any text, ``--html`` writes a page for reading, of all of them if
neither is given.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, add_flags, given_flags, make_config, make_parser, run_command, say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.streams import standard_output
from keras_negaposi.config import SuggestConfig


def suggest(arguments: argparse.Namespace) -> None:
    """Configures, ranks and tells."""
    config = make_config(SuggestConfig, given_flags(SuggestConfig, arguments))
    if config.title is not None and config.text is not None:
        raise InputError("--title and --text: give one of the two")
    if config.title is None and config.text is None and config.html is None:
        raise InputError("--title is missing; give a page's title, or --text, or --html for all pages")
    if config.rerank and not config.reranker:
        raise InputError("--reranker is missing; give the folder of a run that is to order the best --rerank pages")
    if config.html is None:
        standard_output("--html")
    from keras_negaposi.retrieval import suggest

    result = suggest.suggest(arguments.index, config)
    if result:
        say(result)


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.suggest", __doc__)
    parser.add_argument("index", metavar="INDEX", type=a_path, help="folder that keras_negaposi.index has written")
    add_flags(parser, SuggestConfig)
    return run_command(parser, suggest, argv)


if __name__ == "__main__":
    sys.exit(main())

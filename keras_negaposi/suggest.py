"""``python -m keras_negaposi.suggest``: finds the pages of an index that are most likely to come next after a page.

--title takes a page of the index and --text any text. --html writes a web page, of all pages if neither is given.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import (
    check_effects,
    make_config,
    make_parser,
    run_command,
    say,
)
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.streams import standard_output
from keras_negaposi.config import SuggestConfig
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.index_path import an_index


def suggest(arguments: argparse.Namespace) -> int:
    """Ranks the pages, prints the answer, and returns the exit code that was required."""
    given = given_options(SuggestConfig, arguments)
    config = make_config(SuggestConfig, given)
    if config.title is not None and config.text is not None:
        raise InputError("--title and --text: give one of the two")
    if not config.has_query and config.html is None:
        raise InputError("--title is missing; give a page's title, or --text, or --html for all pages")
    check_effects(config, given)
    if config.html is None:
        standard_output("--html")
    from keras_negaposi.retrieval import suggest

    answer = suggest.suggest(arguments.index, config)
    if answer.note:
        sys.stderr.write(f"note: {answer.note.english()}\n")
    if answer.text:
        say(answer.text)
    return 1 if config.fail_on_warning and answer.warning else 0


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.suggest", __doc__, "INDEX [--FLAG VALUE ...]")
    parser.add_argument(
        "index", metavar="INDEX", type=an_index, help="what keras_negaposi.index wrote: folder, or postgresql://"
    )
    add_options(parser, SuggestConfig)
    return run_command(parser, suggest, argv)


if __name__ == "__main__":
    sys.exit(main())

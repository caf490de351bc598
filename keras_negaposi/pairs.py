"""``python -m keras_negaposi.pairs``: creates honbun_data.json and negaposi.json from notes, slides or tables.

FROM is a Scrapbox (Cosense) export; a folder of Markdown notes, of pages named "document,000.txt" or of PDF slides; a
table (CSV, TSV, JSON lines, Parquet) with the columns text_a, text_b and label, or title and text; or a
honbun_data.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Iterable

from checkpoints_tools.common.cli import (
    a_path,
    check_effects,
    make_config,
    make_parser,
    run_command,
    say,
)
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig, check_required
from keras_negaposi.config.given import add_options, given_options

OF_LABELLED_PAIRS = ("output", "format", "group_pattern", "seed")
"""Options that have an effect where the source is a table of labelled pairs."""


def pairs(arguments: argparse.Namespace) -> None:
    """Creates the pairs and prints the next command."""
    given = given_options(PairsConfig, arguments)
    check_required(given, ("output",))
    config = make_config(PairsConfig, given, given)
    if config.negative == "mined" and not config.index:
        raise InputError("--index is missing; give the folder of an index of these pages, or another --negative")
    if config.unit == "pieces" and not config.model_file:
        raise InputError("--model_file is missing; give the SentencePiece .model that --unit pieces counts with")
    from keras_negaposi.pair_generation.generate import make_pairs

    config = with_format(arguments.source, config, given)
    make_pairs(arguments.source, config, shlex.join(["python", "-m", "keras_negaposi.pairs", *sys.argv[1:]]))
    folder = shlex.quote(config.output)
    say(
        f"next  python -m keras_negaposi.train --honbun {folder}/honbun_data.json --negaposi {folder}/negaposi.json "
        "--split grouped --init_checkpoint FOLDER_OF_YOUR_BERT"
    )


def with_format(source: str, config: PairsConfig, given: Iterable[str]) -> PairsConfig:
    """Detects the format of the source, and checks the options that have no effect on some formats.

    Raises:
        InputError: the source cannot be read, or an option has no effect on it.
    """
    from keras_negaposi.readers import detect
    from keras_negaposi.readers.table import is_of_pairs

    if config.format == "auto":
        config = dataclasses.replace(config, format=detect(source))
    check_effects(config, given)
    if config.format == "table" and is_of_pairs(source):
        for field in dataclasses.fields(config):
            unused = field.name in given and field.name not in OF_LABELLED_PAIRS
            if unused and getattr(config, field.name) != field.default:
                raise InputError(f"--{field.name}: has no effect on a table of labelled pairs; leave it out")
    return config


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.pairs", __doc__, "FROM [--FLAG VALUE ...]")
    parser.add_argument("source", metavar="FROM", type=a_path, help="file or folder to read")
    add_options(parser, PairsConfig)
    return run_command(parser, pairs, argv)


if __name__ == "__main__":
    sys.exit(main())

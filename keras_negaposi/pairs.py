"""``python -m keras_negaposi.pairs FROM``: makes honbun_data.json and negaposi.json of what people have.

FROM is a Scrapbox (Cosense) export, a folder of Markdown notes, of ``document,000.txt`` pages or of PDF slides, a table
(CSV, TSV, JSON lines) with the columns text_a, text_b and label or title and text, or a honbun_data.json.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from checkpoints_tools.common.cli import a_path, add_flags, given_flags, make_config, make_parser, run_command, say
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig, check_required


def pairs(arguments: argparse.Namespace) -> None:
    """Configures, draws, and says what to do next."""
    given = given_flags(PairsConfig, arguments)
    check_required(given, ("output",))
    config = make_config(PairsConfig, given)
    if config.negative == "mined" and not config.index:
        raise InputError("--index is missing; give the folder of an index of these pages, or another --negative")
    if config.unit == "pieces" and not config.model_file:
        raise InputError("--model_file is missing; give the SentencePiece .model that --unit pieces counts with")
    from keras_negaposi.pair_generation.generate import make_pairs

    make_pairs(arguments.source, config, shlex.join(["python", "-m", "keras_negaposi.pairs", *sys.argv[1:]]))
    folder = shlex.quote(config.output)
    say(
        f"next  python -m keras_negaposi.train --honbun {folder}/honbun_data.json --negaposi {folder}/negaposi.json "
        "--split grouped --init_checkpoint FOLDER_OF_YOUR_BERT"
    )


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.pairs", __doc__)
    parser.add_argument("source", metavar="FROM", type=a_path, help="file or folder to read")
    add_flags(parser, PairsConfig)
    return run_command(parser, pairs, argv)


if __name__ == "__main__":
    sys.exit(main())

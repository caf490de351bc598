"""``python -m checkpoints_tools``: inspects, converts and compares BERT checkpoints of TF1, TF2 and Hugging Face.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from checkpoints_tools.bert_config import FORMATS
from checkpoints_tools.common.cli import make_parser, run_command, say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.flag_values import a_path, at_least, between, parser_of

EXIT_DIFFERENT = 1


def _check_effects(arguments: argparse.Namespace) -> None:
    """Rejects a flag that has no effect in combination with another."""
    if arguments.bert_config_file and arguments.num_attention_heads:
        raise InputError(
            "--num_attention_heads: has no effect with --bert_config_file, which tells the number; leave it out"
        )


def inspect(arguments: argparse.Namespace) -> int:
    """Tells what a checkpoint is."""
    _check_effects(arguments)
    from checkpoints_tools.inspection import inspect as work

    result = work(arguments.checkpoint, arguments.bert_config_file, arguments.vocab_file, arguments.num_attention_heads)
    say(json.dumps(dataclasses.asdict(result), indent=1) if arguments.json else result.table())
    return EXIT_DIFFERENT if result.problems else 0


def convert(arguments: argparse.Namespace) -> int:
    """Writes a checkpoint in another format."""
    _check_effects(arguments)
    from checkpoints_tools.conversion import convert as work
    from checkpoints_tools.source import open_source

    source = open_source(arguments.checkpoint, arguments.bert_config_file, arguments.num_attention_heads)
    say(work(source, arguments.output_dir, arguments.to, arguments.force).describe())
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Compares two checkpoints; exit code 1 past the tolerance."""
    from checkpoints_tools.source import open_source
    from checkpoints_tools.verification import verify as work

    a = open_source(arguments.a, arguments.bert_config_file, arguments.num_attention_heads)
    b = open_source(arguments.b, arguments.bert_config_file_b, arguments.num_attention_heads)
    result = work(a, b, arguments.tolerance)
    say(result.describe())
    return EXIT_DIFFERENT if result.departs else 0


def parser() -> argparse.ArgumentParser:
    """The three commands and their flags."""
    main_parser = make_parser("checkpoints_tools", __doc__)
    commands = main_parser.add_subparsers(metavar="COMMAND", required=True)
    checkpoint = "prefix, file or folder; TF1, TF2, Hugging Face, Keras weights, SavedModel or a finished run"

    def add(name: str, work: object, text: str, *paths: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(work=work)
        for path in paths:
            command.add_argument(path, metavar=path.upper(), type=a_path, help=checkpoint)
        command.add_argument("--bert_config_file", type=a_path, help="its BERT config (default: the one beside it)")
        heads = parser_of(int, check=at_least(1, 1 << 16))
        command.add_argument("--num_attention_heads", type=heads, help="where there is no config to tell")
        return command

    command = add("inspect", inspect, "what a checkpoint is; exit code 1 if it does not fit its config", "checkpoint")
    command.add_argument("--vocab_file", type=a_path, help="SentencePiece .vocab that should belong to it")
    command.add_argument("--json", action="store_true", help="for machines")
    command = add("convert", convert, "writes a checkpoint in another format", "checkpoint")
    command.add_argument("--to", required=True, type=parser_of(str, FORMATS), choices=FORMATS, help="the format")
    command.add_argument(
        "--output_dir", required=True, type=a_path, help="folder for weights, config and tokenizer files"
    )
    command.add_argument("--force", action="store_true", help="replace what an earlier conversion wrote to the folder")
    command = add("verify", verify, "whether two checkpoints compute the same; exit code 1 if not", "a", "b")
    command.add_argument("--bert_config_file_b", type=a_path, help="B's BERT config (default: the one beside it)")
    number = parser_of(float, check=between(0, float("inf")))
    command.add_argument("--tolerance", type=number, default=1e-5, help="largest difference allowed (default: 1e-5)")
    return main_parser


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    return run_command(parser(), lambda arguments: arguments.work(arguments), argv)


if __name__ == "__main__":
    sys.exit(main())

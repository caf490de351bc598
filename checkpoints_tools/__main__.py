"""Inspects, converts and compares BERT checkpoints of TF1, TF2 and Hugging Face.

Runs, SavedModels and checkpoints from other people can execute code and read or write your files. Inspect them before
you use them: saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
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
    """Prints the format, architecture and problems of a checkpoint."""
    _check_effects(arguments)
    from checkpoints_tools.inspection import inspect as work

    result = work(arguments.checkpoint, arguments.bert_config_file, arguments.vocab_file, arguments.num_attention_heads)
    say(json.dumps(dataclasses.asdict(result), indent=1) if arguments.json else result.table())
    return EXIT_DIFFERENT if result.problems else 0


def convert(arguments: argparse.Namespace) -> int:
    """Writes a checkpoint in another format and prints what was written."""
    _check_effects(arguments)
    from checkpoints_tools.conversion import convert as work
    from checkpoints_tools.source import open_source

    source = open_source(arguments.checkpoint, arguments.bert_config_file, arguments.num_attention_heads)
    say(work(source, arguments.output_dir, arguments.to, arguments.force).describe())
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Compares the outputs of two checkpoints; returns exit code 1 if they differ by more than the tolerance."""
    from checkpoints_tools.source import open_source
    from checkpoints_tools.verification import verify as work

    a = open_source(arguments.a, arguments.bert_config_file, arguments.num_attention_heads)
    b = open_source(arguments.b, arguments.bert_config_file_b, arguments.num_attention_heads)
    result = work(a, b, arguments.tolerance)
    say(result.describe())
    return EXIT_DIFFERENT if result.first_difference else 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the three commands."""
    main_parser = make_parser("checkpoints_tools", __doc__)
    commands = main_parser.add_subparsers(metavar="COMMAND", required=True)
    checkpoint = (
        "prefix, file or folder of a TF1, TF2 or Hugging Face checkpoint, Keras weights, a SavedModel or a training run"
    )

    def add(name: str, work: object, text: str, *paths: str) -> argparse.ArgumentParser:
        """Adds a command with the arguments that all commands have."""
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(work=work)
        for path in paths:
            command.add_argument(path, metavar=path.upper(), type=a_path, help=checkpoint)
        of_a = " of A" if len(paths) > 1 else ""
        command.add_argument(
            "--bert_config_file", type=a_path, help=f"BERT config{of_a} (default: the one in its folder)"
        )
        heads = parser_of(int, check=at_least(1, 1 << 16))
        command.add_argument(
            "--num_attention_heads", type=heads, help="number of attention heads, if there is no BERT config"
        )
        return command

    # inspect
    command = add(
        "inspect",
        inspect,
        "prints format, architecture and problems of a checkpoint; exit code 1 if there are problems",
        "checkpoint",
    )
    command.add_argument("--vocab_file", type=a_path, help="SentencePiece .vocab to compare with the embeddings")
    command.add_argument("--json", action="store_true", help="print JSON")
    # convert
    command = add("convert", convert, "writes a checkpoint in another format", "checkpoint")
    command.add_argument("--to", required=True, type=parser_of(str, FORMATS), choices=FORMATS, help="format to write")
    command.add_argument(
        "--output_dir", required=True, type=a_path, help="folder for weights, config and tokenizer files"
    )
    command.add_argument("--force", action="store_true", help="replace an earlier conversion in the folder")
    # verify
    command = add("verify", verify, "compares the outputs of two checkpoints; exit code 1 if they differ", "a", "b")
    command.add_argument("--bert_config_file_b", type=a_path, help="BERT config of B (default: the one in its folder)")
    number = parser_of(float, check=between(0, float("inf")))
    command.add_argument(
        "--tolerance", type=number, default=1e-5, help="largest allowed absolute difference (default: 1e-5)"
    )
    return main_parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    return run_command(parser(), lambda arguments: arguments.work(arguments), argv)


if __name__ == "__main__":
    sys.exit(main())

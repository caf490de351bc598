"""``negaposi COMMAND``, or ``python -m keras_negaposi COMMAND``: runs one of the commands, or lists them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from checkpoints_tools.common.cli import make_parser, run_command
from checkpoints_tools.common.errors import InputError, did_you_mean, quoted
from keras_negaposi import __version__

COMMANDS = (
    *("pairs", "train", "prepare", "predict", "evaluate", "export", "baseline", "index", "suggest", "serve"),
    "doctor",
)
"""Modules of this package, in the order in which a newcomer meets them."""


def summary(command: str) -> str:
    """Returns what a command does: the first line of its module's docstring, without the command itself."""
    text = importlib.import_module(f"keras_negaposi.{command}").__doc__ or ""
    return text.partition("\n")[0].partition(": ")[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        sys.argv[1:] = words[1:]  # a run saves the command that made it
        return importlib.import_module(f"keras_negaposi.{words[0]}").main(words[1:])
    parser = _parser()

    def list_or_refuse(arguments: argparse.Namespace) -> None:
        if arguments.command is not None:
            wrong = arguments.command
            raise InputError(f"unknown command {quoted(wrong)}{did_you_mean(wrong, COMMANDS)} (--help lists them)")
        parser.print_help()

    return run_command(parser, list_or_refuse, words[:1])


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {command:10}{summary(command)}" for command in COMMANDS)
    parser = make_parser("keras_negaposi", f"Commands:\n{lines}\n\nEvery command has --help.", "COMMAND ...")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"keras_negaposi {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

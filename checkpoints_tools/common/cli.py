"""Runs a command: parses its flags, and turns bad input into one line on stderr and exit code 2.

A command's configuration is a dataclass whose fields are declared by `options.option`.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from checkpoints_tools.common import native_log
from checkpoints_tools.common.errors import (
    LONGEST_MESSAGE,
    LONGEST_VALUE,
    RUN_AGAIN,
    InputError,
    Stopped,
    did_you_mean,
    masked,
    shortened,
)
from checkpoints_tools.common.flag_values import a_path, above, at_least, between, parser_of
from checkpoints_tools.common.gcs import storage_problem
from checkpoints_tools.common.options import (
    check_config,
    check_effects,
    given_flags,
    kind_of,
    make_config,
    option,
    path_option,
    required_path,
    with_new_names,
)
from checkpoints_tools.common.signals import Terminated, raised
from checkpoints_tools.common.streams import prepare_streams, printed, say

__all__ = [
    "EXIT_BAD_INPUT",
    "RUN_AGAIN",
    "a_path",
    "above",
    "add_flags",
    "at_least",
    "between",
    "check_config",
    "check_effects",
    "given_flags",
    "make_config",
    "make_parser",
    "option",
    "path_option",
    "required_path",
    "run_command",
    "say",
    "with_new_names",
]

EXIT_BAD_INPUT = 2
EXIT_SIGNAL = 128
"""Added to a signal's number, as shells do."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SYSTEM_ERRORS = {
    errno.EIO: "check the disk, or the network that it is on",
    errno.ENOMEM: "end other programs, or give less data",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
    errno.EROFS: "give a folder that can be written to",
    errno.EBADF: "is stdin or stdout closed?",
}
"""Errors of the operating system that may not name a file, with the fix."""
DISK_FULL_FIX = f"free some space, then {RUN_AGAIN}"

Explain = Callable[[Exception, str], str]
"""Gets an exception and the line that `run_command` would print for it, and returns the line to print."""


class _OldSpelling(argparse.Action):
    """Stores the value under the flag's new name, and prints that name on stderr."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:  # noqa: ANN001 - argparse's own signature
        setattr(namespace, self.dest, values)
        sys.stderr.write(f"{option_string} is now called --{self.dest}\n")


class _OneLineParser(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):  # noqa: ANN001, ANN202 - argparse's own signature
        """Accepts ``--fail-on-warning`` for ``--fail_on_warning``."""
        tokens = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([_with_underscores(token) for token in tokens], namespace)

    def parse_args(self, args=None, namespace=None):  # noqa: ANN001, ANN202 - argparse's own signature
        """Rejects unknown arguments; of many, the message names the first three."""
        arguments, rest = self.parse_known_args(args, namespace)
        if rest:
            more = f" and {len(rest) - 3:,} more" if len(rest) > 3 else ""
            flag = rest[0].partition("=")[0]
            similar = did_you_mean(flag, self._option_string_actions) if flag.startswith("--") else ""
            self.error(f"unrecognized arguments: {' '.join(rest[:3])}{more}{similar}")
        return arguments

    def error(self, message: str) -> NoReturn:
        words = " ".join(shortened(word, LONGEST_VALUE) for word in masked(message).split())
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shortened(words, LONGEST_MESSAGE)} (--help lists the flags)\n")


def _with_underscores(token: str) -> str:
    name, equals, value = token.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if re.match(r"--[a-z][a-z-]*$", name) else token


def make_parser(command: str, description: str | None, arguments: str | None = None) -> argparse.ArgumentParser:
    """Returns a parser for ``python -m <command>`` whose errors are one line.

    Args:
        command: the module.
        description: the help's first paragraphs, line breaks included.
        arguments: what follows the command in the help's usage line; argparse's own list of all flags if ``None``.
    """
    return _OneLineParser(
        prog=f"python -m {command}",
        usage=None if arguments is None else f"%(prog)s {arguments}",
        description=description and description.replace("``", ""),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the description's paragraphs."""


def add_flags(parser: argparse.ArgumentParser, config_class: type) -> None:
    """Adds a flag for every field of ``config_class``, under the field's heading.

    A flag that the user does not give is absent from the parsed result.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in sorted(dataclasses.fields(config_class), key=lambda field: field.metadata["heading"].rank):
        about = field.metadata
        shown = "" if field.default is None else f" (default: {field.default})"
        flag: dict[str, Any] = {"help": about["help"].replace("%", "%%") + shown, "default": argparse.SUPPRESS}
        kind, choices = kind_of(field), about["choices"]
        flag["type"] = parser_of(kind, choices, words=about["words"])
        if kind is bool:
            flag |= {"nargs": "?", "const": True, "metavar": "true|false"}
        elif choices:
            flag |= {"choices": choices}
        if about["several"]:
            flag |= {"nargs": "+"}
        if about["hidden"]:
            parser.add_argument(f"--{field.name}", **flag | {"help": argparse.SUPPRESS})
            continue
        title = about["heading"].title
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        groups[title].add_argument(f"--{field.name}", **flag)
        if about["old"]:
            old = flag | {"help": argparse.SUPPRESS, "action": _OldSpelling, "dest": field.name}
            parser.add_argument(f"--{about['old']}", **old)


def _as_it_is(_: Exception, line: str) -> str:
    return line


def run_command(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int | None],
    argv: list[str] | None,
    explain_error: Explain = _as_it_is,
) -> int:
    """Parses ``argv``, calls ``work``, and returns the command's exit code: the one of ``work``, or 0 for ``None``.

    What the user can fix (`InputError`, a path that cannot be read or written, too little memory) becomes one line on
    stderr and exit code 2. Anything else is a bug of ours and keeps its traceback.

    Args:
        parser: of `make_parser`.
        work: the command.
        argv: the arguments; those of the process if ``None``.
        explain_error: may change that line, for example to add a fix that only this command offers.
    """
    prepare_streams()
    arguments = parser.parse_args(argv)
    native_log.limit()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        with raised(), printed():
            code = work(arguments) or 0
            if sys.stdout is not None:
                sys.stdout.flush()  # so that a full disk is noticed here
        return code
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        return 0
    except Stopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return EXIT_SIGNAL + stopped.signal
    except KeyboardInterrupt:
        return EXIT_SIGNAL + signal.SIGINT
    except Terminated as terminated:
        return EXIT_SIGNAL + terminated.signal
    except Exception as error:
        line = _line_of(error)
        if line is None:
            raise
        line = explain_error(error, _with_file(line, arguments))
        line = shortened(masked(" ".join(line.split())), LONGEST_MESSAGE)
        sys.stderr.write(f"{parser.prog}: error: {line}\n")
        return EXIT_BAD_INPUT


def _with_file(line: str, arguments: argparse.Namespace) -> str:
    """Names the file of ``--config`` in a message about a flag that is not on the command line."""
    flag, file = re.match(r"--(\w+)", line), getattr(arguments, "config", None)
    return f"{file}: {line}" if flag and file and flag[1] not in arguments else line


def _line_of(error: Exception) -> str | None:
    """Returns what is wrong and how to fix it; ``None`` if the user cannot."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; give less data, or smaller batches"
    if isinstance(error, OSError):
        if error.errno in DISK_FULL:
            return f"{error.filename or 'the output'}: {error.strerror}; {DISK_FULL_FIX}"
        if error.filename is not None:
            return f"{error.filename}: {error.strerror}; give another path or fix its permissions"
        fix = SYSTEM_ERRORS.get(error.errno or 0)
        return fix and f"{error.strerror}; {fix}"
    full = re.search(rf"(\S+); {os.strerror(errno.ENOSPC)}", str(error))  # TensorFlow's own wording
    if full:
        return f"{full[1]}: {os.strerror(errno.ENOSPC)}; {DISK_FULL_FIX}"
    return storage_problem(error)

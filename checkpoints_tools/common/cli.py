"""Turns a frozen dataclass into command-line flags, and bad input into one line and exit code 2.

A command's configuration is a dataclass whose fields are made by `option`; the flags, their help, their checks and
the ``config.json`` saved with a run all come from it.
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
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from checkpoints_tools.common.errors import LONGEST_MESSAGE, LONGEST_VALUE, InputError, Stopped, quoted, shortened
from checkpoints_tools.common.flag_values import Check, a_path, above, at_least, between, parser_of, problem_of
from checkpoints_tools.common.gcs import storage_problem
from checkpoints_tools.common.paths import path_problem
from checkpoints_tools.common.streams import prepare_streams, say

__all__ = [
    "EXIT_BAD_INPUT",
    "a_path",
    "above",
    "add_flags",
    "at_least",
    "between",
    "check_config",
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
from checkpoints_tools.common.signals import Terminated, raised

ConfigT = TypeVar("ConfigT")

EXIT_BAD_INPUT = 2
EXIT_SIGNAL = 128
"""Plus the signal's number, as a shell gives it."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SYSTEM_FAILS = {
    errno.EIO: "check the disk, or the network that it is on",
    errno.ENOMEM: "end other programs, or give less data",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
    errno.EROFS: "give a folder that can be written to",
    errno.EBADF: "is stdin or stdout closed?",
}
"""What the system may say without naming a file, with the fix."""
MEND_DISK = "free some space, then call the same again, a training with --resume"


def option(
    default: object,
    text: str,
    *,
    kind: type = str,
    choices: Sequence[str] | None = None,
    check: Check | None = None,
    several: bool = False,
    old: str | None = None,
) -> Any:  # noqa: ANN401
    """A dataclass field that is also a flag.

    Args:
        default: the value without the flag.
        text: the flag's help.
        kind: the value's type, where the default is ``None``.
        choices: the only strings allowed.
        check: gives what is wrong with a value, or ``None``.
        several: whether the flag takes several values, which make a list.
        old: the flag's name in earlier versions, which still works.
    """
    about = {"help": text, "kind": kind, "choices": choices, "check": check, "several": several, "old": old}
    return dataclasses.field(default=default, metadata=about)


def path_option(default: str | None, text: str, old: str | None = None) -> Any:  # noqa: ANN401
    """An `option` that names a file or folder."""
    return option(default, text, check=path_problem, old=old)


def required_path(text: str) -> Any:  # noqa: ANN401
    """A `path_option` that its command cannot do without.

    The default is ``None``, so that a missing flag is told from an empty one, but the field is annotated ``str``: every
    command refuses a configuration without it before it is used.
    """
    return path_option(None, text)


class _OldSpelling(argparse.Action):
    """Stores the value under the flag's new name, and says that name once on stderr."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:  # noqa: ANN001 - argparse's own signature
        setattr(namespace, self.dest, values)
        sys.stderr.write(f"{option_string} is now called --{self.dest}\n")


class _OneLineParser(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):  # noqa: ANN001, ANN202 - argparse's own signature
        """Takes ``--fail-on-warning`` for ``--fail_on_warning``."""
        tokens = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([_with_underscores(token) for token in tokens], namespace)

    def parse_args(self, args=None, namespace=None):  # noqa: ANN001, ANN202 - argparse's own signature
        """Names the arguments that are left over, the first of them if there are many."""
        arguments, rest = self.parse_known_args(args, namespace)
        if rest:
            more = f" and {len(rest) - 3:,} more" if len(rest) > 3 else ""
            self.error(f"unrecognized arguments: {' '.join(rest[:3])}{more}")
        return arguments

    def error(self, message: str) -> NoReturn:
        words = " ".join(shortened(word, LONGEST_VALUE) for word in message.split())
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shortened(words, LONGEST_MESSAGE)} (--help lists the flags)\n")


def _with_underscores(token: str) -> str:
    name, equals, value = token.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if re.match(r"--[a-z][a-z-]*$", name) else token


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser for ``python -m <command>`` whose errors are one line."""
    return _OneLineParser(
        prog=f"python -m {command}",
        description=description,
        allow_abbrev=False,
    )


def add_flags(parser: argparse.ArgumentParser, config_class: type) -> None:
    """Adds one flag a field of ``config_class``; what the user does not give is absent from the parsed result."""
    for field in dataclasses.fields(config_class):
        shown = "" if field.default is None else f" (default: {field.default})"
        flag: dict[str, Any] = {"help": field.metadata["help"].replace("%", "%%") + shown, "default": argparse.SUPPRESS}
        kind, choices = _kind(field), field.metadata["choices"]
        flag["type"] = parser_of(kind, choices)
        if kind is bool:
            flag |= {"nargs": "?", "const": True, "metavar": "true|false"}
        elif choices:
            flag |= {"choices": choices}
        if field.metadata["several"]:
            flag |= {"nargs": "+"}
        parser.add_argument(f"--{field.name}", **flag)
        if field.metadata["old"]:
            hidden = flag | {"help": argparse.SUPPRESS, "action": _OldSpelling, "dest": field.name}
            parser.add_argument(f"--{field.metadata['old']}", **hidden)


def with_new_names(config_class: type, values: dict[str, Any]) -> dict[str, Any]:
    """Saved values whose options have been renamed since, under the names of today."""
    names = {field.metadata["old"]: field.name for field in dataclasses.fields(config_class) if field.metadata["old"]}
    return {names.get(name, name): value for name, value in values.items()}


def given_flags(config_class: type, arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``config_class`` that the user gave, with their values.

    Raises:
        InputError: a value is out of range; the message names its flag.
    """
    given = {field: vars(arguments).get(field.name) for field in dataclasses.fields(config_class)}
    values = {field.name: value for field, value in given.items() if field.name in arguments}
    for field, value in given.items():
        if field.name in values:
            _check_field(field, value)
    return values


def make_config(config_class: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Builds and checks a configuration; fields that ``values`` lacks keep their defaults.

    Raises:
        InputError: a value is unknown or out of range.
    """
    unknown = values.keys() - {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    if unknown:
        raise InputError(f"unknown option in the configuration: {', '.join(map(quoted, sorted(unknown)[:5]))}")
    config = config_class(**values)
    check_config(config)
    return config


def check_config(config: object) -> None:
    """Checks every field's type and value, then what the configuration's own ``conflict`` says of them together.

    Raises:
        InputError: one cannot be used; the message names its flag.
    """
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        _check_field(field, getattr(config, field.name))
    conflict = config.conflict() if hasattr(config, "conflict") else None
    if conflict:
        raise InputError(conflict)


def _check_field(field: dataclasses.Field, value: object) -> None:
    if value is None and field.default is None:
        return
    about = field.metadata
    for item in value if about["several"] and isinstance(value, (list, tuple)) else [value]:
        problem = problem_of(item, _kind(field), about["choices"], about["check"])
        if problem:
            raise InputError(f"--{field.name} {quoted(item)}: {problem}")


def _kind(field: dataclasses.Field) -> type:
    """Of a flag's value, or of each where it has several."""
    return field.metadata["kind"] if field.default is None else type(field.default)


def run_command(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None], argv: list[str] | None
) -> int:
    """Parses ``argv`` and calls ``work``; gives the exit code, which is the one that ``work`` gives, if it does.

    What the user can fix (`InputError`, a path that cannot be read or written, too little memory) becomes one line on
    stderr and exit code 2; anything else is our bug and keeps its traceback.
    """
    prepare_streams()
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's remarks on the machine would bury ours
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        with raised():
            code = work(arguments) or 0
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk must not stay unnoticed
        return code
    except InputError as error:
        return _fail(parser, str(error))
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno in DISK_FULL:
            return _fail(parser, f"{error.filename or 'the output'}: {error.strerror}; {MEND_DISK}")
        if error.filename is not None:
            return _fail(parser, f"{error.filename}: {error.strerror}; give another path or fix its permissions")
        if error.errno not in SYSTEM_FAILS:
            raise
        return _fail(parser, f"{error.strerror}; {SYSTEM_FAILS[error.errno]}")
    except MemoryError:
        return _fail(parser, "the memory does not suffice; give less data, or smaller batches")
    except Stopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return EXIT_SIGNAL + stopped.signal
    except KeyboardInterrupt:
        return EXIT_SIGNAL + signal.SIGINT
    except Terminated as terminated:
        return EXIT_SIGNAL + terminated.signal
    except Exception as error:
        full = re.search(rf"(\S+); {os.strerror(errno.ENOSPC)}", str(error))  # as TensorFlow says it
        if full:
            return _fail(parser, f"{full[1]}: {os.strerror(errno.ENOSPC)}; {MEND_DISK}")
        problem = storage_problem(error)
        if not problem:
            raise
        return _fail(parser, problem)


def _fail(parser: argparse.ArgumentParser, message: str) -> int:
    line = shortened(" ".join(message.split()), LONGEST_MESSAGE)
    sys.stderr.write(f"{parser.prog}: error: {line}\n")
    return EXIT_BAD_INPUT

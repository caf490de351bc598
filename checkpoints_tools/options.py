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

from checkpoints_tools.cloud import storage_problem
from checkpoints_tools.errors import LONGEST_MESSAGE, InputError, Stopped, shortened
from checkpoints_tools.signals import Terminated, raised

ConfigT = TypeVar("ConfigT")
Check = Callable[[Any], "str | None"]

EXIT_BAD_INPUT = 2
EXIT_SIGNAL = 128
"""Plus the signal's number, as a shell gives it."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MEND_DISK = "free some space, then call the same again, a training with --resume"


def option(
    default: object,
    text: str,
    *,
    kind: type = str,
    choices: Sequence[str] | None = None,
    check: Check | None = None,
    several: bool = False,
) -> Any:  # noqa: ANN401
    """A dataclass field that is also a flag.

    Args:
        default: the value without the flag.
        text: the flag's help.
        kind: the value's type, where the default is ``None``.
        choices: the only strings allowed.
        check: gives what is wrong with a value, or ``None``.
        several: whether the flag takes several values, which make a list.
    """
    about = {"help": text, "kind": kind, "choices": choices, "check": check, "several": several}
    return dataclasses.field(default=default, metadata=about)


def at_least(low: float) -> Check:
    """A check that a number is not below ``low``."""
    return lambda value: None if value >= low else f"must be at least {low}"


def above(low: float) -> Check:
    """A check that a number is above ``low`` and finite."""
    return lambda value: None if low < value < float("inf") else f"must be above {low}"


def between(low: float, high: float) -> Check:
    """A check that a number is at least ``low`` and below ``high``."""
    return lambda value: None if low <= value < high else f"must be at least {low} and below {high}"


class _OneLineParser(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):  # noqa: ANN001, ANN202 - argparse's own signature
        """Takes ``--fail-on-warning`` for ``--fail_on_warning``."""
        tokens = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([_with_underscores(token) for token in tokens], namespace)

    def error(self, message: str) -> NoReturn:
        line = shortened(" ".join(message.split()), LONGEST_MESSAGE)
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {line} (--help lists the flags)\n")


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
        if isinstance(field.default, bool):
            flag |= {"type": _parse_bool, "nargs": "?", "const": True, "metavar": "true|false"}
        elif field.metadata["choices"]:
            flag |= {"choices": field.metadata["choices"]}
        else:
            flag |= {"type": type(field.default) if field.default is not None else field.metadata["kind"]}
        if field.metadata["several"]:
            flag |= {"nargs": "+"}
        parser.add_argument(f"--{field.name}", **flag)


def given_flags(config_class: type, arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``config_class`` that the user gave, with their values."""
    given = vars(arguments)
    return {field.name: given[field.name] for field in dataclasses.fields(config_class) if field.name in given}


def make_config(config_class: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Builds and checks a configuration; fields that ``values`` lacks keep their defaults.

    Raises:
        InputError: a value is unknown or out of range.
    """
    unknown = values.keys() - {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    if unknown:
        raise InputError(f"unknown option in the configuration: {', '.join(sorted(unknown))}")
    config = config_class(**values)
    check_config(config)
    return config


def check_config(config: object) -> None:
    """Runs every field's check.

    Raises:
        InputError: a value is out of range; the message names its flag.
    """
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        problem = field.metadata["check"](value) if field.metadata["check"] and value is not None else None
        if problem:
            raise InputError(f"--{field.name} {value}: {problem}")


def run_command(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None], argv: list[str] | None
) -> int:
    """Parses ``argv`` and calls ``work``; gives the exit code, which is the one that ``work`` gives, if it does.

    What the user can mend (`InputError`, a path that cannot be read or written) becomes one line on stderr and exit
    code 2; anything else is our bug and keeps its traceback.
    """
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's remarks on the machine would bury ours
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        with raised():
            return work(arguments) or 0
    except InputError as error:
        return _fail(parser, str(error))
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno in DISK_FULL:
            return _fail(parser, f"{error.filename or 'the output'}: {error.strerror}; {MEND_DISK}")
        if error.filename is None:
            raise
        return _fail(parser, f"{error.filename}: {error.strerror}; give another path or mend its permissions")
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


def say(line: str) -> None:
    """Tells the user something, at once, also when stdout is a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fail(parser: argparse.ArgumentParser, message: str) -> int:
    line = shortened(" ".join(message.split()), LONGEST_MESSAGE)
    sys.stderr.write(f"{parser.prog}: error: {line}\n")
    return EXIT_BAD_INPUT


def _parse_bool(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")

"""``python -m keras_negaposi.predict``: scores pairs of texts with a finished run, in their order; stdin's at once.

Input is tab-separated (text_a, text_b) or JSON lines ({"text_a": ..., "text_b": ...} or [text_a, text_b]), one pair a
line. Output has a line a pair: tab-separated probability and label, or JSON lines where the input is JSON lines. A file
is scored faster than stdin: pairs of similar length together.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import bounded_lines, opened, replaced
from checkpoints_tools.options import a_path, add_flags, given_flags, make_config, make_parser, run_command
from checkpoints_tools.streams import standard_input, standard_output
from keras_negaposi.texts import check_text

STDIN = "-"


def parse_lines(lines: Iterable[bytes], name: str, json_lines: bool) -> Iterator[tuple[str, str]]:
    """Yields (text_a, text_b) a line.

    Raises:
        InputError: a line is no pair; names ``name`` and the line.
    """
    for number, raw in enumerate(lines, 1):
        place = f"{name}: line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{place}: not UTF-8 at byte {error.start} of the line; save it as UTF-8") from None
        pair = _parse_json(line, place) if json_lines else line.split("\t")
        if len(pair) != 2:
            raise InputError(f"{place}: must be text_a<TAB>text_b, but has {len(pair)} columns")
        for text in pair:
            check_text(text, place)
        yield pair[0], pair[1]


def _parse_json(line: str, place: str) -> tuple[str, str]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON at column {error.colno}: {error.msg}") from None
    if isinstance(value, dict):
        value = [value.get("text_a"), value.get("text_b")]
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise InputError(f'{place}: must be {{"text_a": ..., "text_b": ...}} or [text_a, text_b], two strings')
    return value[0], value[1]


@contextlib.contextmanager
def _open_input(path: str) -> Iterator[tuple[Iterator[bytes], bool]]:
    """Yields the lines and whether they are JSON, judged by the first one."""
    from_stdin = path == STDIN
    with contextlib.nullcontext(standard_input("--input")) if from_stdin else opened(path, once=True) as file:
        lines = bounded_lines(file, "stdin" if from_stdin else path)
        first = next(lines, b"")
        json_lines = first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b'["'))
        yield _with_first(first, lines), json_lines


def _with_first(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
        yield from rest


@contextlib.contextmanager
def _open_output(path: str) -> Iterator[TextIO]:
    """stdout, or a file that appears under its name only when it is complete."""
    if path == STDIN:
        yield standard_output("--output")
        return
    with replaced(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        yield file


def predict(arguments: argparse.Namespace) -> None:
    """Loads the model and scores."""
    from keras_negaposi.config import PredictConfig

    config = make_config(PredictConfig, given_flags(PredictConfig, arguments))
    if config.output == STDIN:
        standard_output("--output")  # is refused, if it is closed, before the model is loaded
    with _open_input(config.input) as (lines, json_lines):
        from keras_negaposi.scorer import WINDOW, Scorer

        scorer = Scorer(arguments.model, config.precision)
        name = "stdin" if config.input == STDIN else config.input
        with _open_output(config.output) as output:
            pairs = parse_lines(lines, name, json_lines)
            window = 1 if config.input == STDIN else WINDOW
            for count, (probability, label) in enumerate(scorer.stream(pairs, config.batch_size, window), 1):
                if json_lines:
                    output.write(json.dumps({"probability": round(probability, 6), "label": label}) + "\n")
                else:
                    output.write(f"{probability:.6f}\t{label}\n")
                if count % config.batch_size == 0:
                    output.flush()


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    from keras_negaposi.config import PredictConfig

    parser = make_parser("keras_negaposi.predict", __doc__)
    parser.add_argument("model", metavar="RUN_OR_SAVED_MODEL", type=a_path, help="a run's folder, or a SavedModel")
    add_flags(parser, PredictConfig)
    return run_command(parser, predict, argv)


if __name__ == "__main__":
    sys.exit(main())

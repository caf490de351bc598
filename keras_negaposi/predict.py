"""``python -m keras_negaposi.predict``: scores pairs of texts with a finished run, in their order; stdin's at once.

Input is a table with the columns text_a and text_b (CSV or TSV), tab-separated text_a and text_b without column names,
or JSON lines ({"text_a": ..., "text_b": ...} or [text_a, text_b]). Output has a line a pair: tab-separated probability
and label, or JSON lines where the input is JSON lines. A file is scored faster than stdin: pairs of similar length
together.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from checkpoints_tools.common.cli import a_path, add_flags, given_flags, make_config, make_parser, run_command
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import opened, replaced
from checkpoints_tools.common.streams import standard_input, standard_output
from keras_negaposi.runtime.run_folder import RUN_FILES

STDIN = "-"
MODEL_FILES = {
    *RUN_FILES,
    *("saved_model.pb", "fingerprint.pb", "variables", "assets"),
}
"""Files and folders of a run, and of a SavedModel."""


@contextlib.contextmanager
def _open_input(path: str) -> Iterator[BinaryIO]:
    """stdin, or a file, which may be a pipe: it is read once."""
    with contextlib.nullcontext(standard_input("--input")) if path == STDIN else opened(path, once=True) as file:
        yield file


@contextlib.contextmanager
def _open_output(path: str) -> Iterator[TextIO]:
    """stdout, or a file that appears under its name only when it is complete."""
    if path == STDIN:
        yield standard_output("--output")
        return
    with replaced(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        yield file


def _check_output(model: str, source: str, output: str) -> None:
    """Refuses to write over the pairs, or over a file of the run.

    Raises:
        InputError: the output is one of these, by whatever name.
    """
    if output == STDIN or not os.path.isfile(output):
        return
    try:
        read = os.fstat(sys.stdin.fileno()) if source == STDIN else os.stat(source)
    except (OSError, ValueError, AttributeError):  # there is none; reading it says so
        read = None
    if read and os.path.samestat(read, os.stat(output)):
        raise InputError(f"--output {output}: is the input; give another file")
    inside = os.path.relpath(os.path.realpath(output), os.path.realpath(model))
    if inside.split(os.sep)[0] in MODEL_FILES:
        raise InputError(f"--output {output}: is a file of the run; give another file")


def predict(arguments: argparse.Namespace) -> None:
    """Loads the model and scores."""
    from keras_negaposi.config import PredictConfig
    from keras_negaposi.readers.table import read_pairs

    config = make_config(PredictConfig, given_flags(PredictConfig, arguments))
    _check_output(arguments.model, config.input, config.output)
    if config.output == STDIN:
        standard_output("--output")  # is refused, if it is closed, before the model is loaded
    from_stdin = config.input == STDIN
    with _open_input(config.input) as file:
        json_lines, pairs = read_pairs(file, "stdin" if from_stdin else config.input, config.input)

        from keras_negaposi.serving.scorer import WINDOW, Scorer

        scorer = Scorer(arguments.model, config.precision)
        with _open_output(config.output) as output:
            window = 1 if from_stdin else WINDOW
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

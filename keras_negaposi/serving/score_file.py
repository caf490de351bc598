"""Scores a file or stream of pairs with an exported model."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, TextIO

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import opened, replaced
from checkpoints_tools.common.streams import standard_input, standard_output
from keras_negaposi.config import PredictConfig
from keras_negaposi.config.pair_source import column_names
from keras_negaposi.config.using import MANY
from keras_negaposi.readers.table import read_pairs
from keras_negaposi.runtime.beam import engine_of, for_workers
from keras_negaposi.runtime.executors import one_by_one
from keras_negaposi.runtime.run_folder import RUN_FILES
from keras_negaposi.serving.arithmetic import arithmetic_for

STDIN = "-"
MODEL_FILES = {
    *RUN_FILES,
    *("saved_model.pb", "fingerprint.pb", "variables", "assets"),
}
"""Top-level names in the folder of a run, and of a SavedModel."""


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Opens stdin, or a file, which may be a pipe because it is read only once."""
    with contextlib.nullcontext(standard_input("--input")) if path == STDIN else opened(path, once=True) as file:
        yield file


@contextlib.contextmanager
def open_output(path: str) -> Iterator[TextIO]:
    """Opens stdout, or a file that gets its name only when it is complete."""
    if path == STDIN:
        yield standard_output("--output")
        return
    with replaced(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        yield file


def check_output(model: str, source: str, output: str) -> None:
    """Rejects an output that would overwrite the pairs or a file of the run.

    Raises:
        InputError: the output is one of these, also under another name.
    """
    if output == STDIN or not os.path.isfile(output):
        return
    try:
        read = os.fstat(sys.stdin.fileno()) if source == STDIN else os.stat(source)
    except (OSError, ValueError, AttributeError):  # there is no input; reading it reports that
        read = None
    if read and os.path.samestat(read, os.stat(output)):
        raise InputError(f"--output {output}: is the input; give another file")
    inside = os.path.relpath(os.path.realpath(output), os.path.realpath(model))
    if inside.split(os.sep)[0] in MODEL_FILES:
        raise InputError(f"--output {output}: is a file of the run; give another file")


def score_file(model: str, config: PredictConfig) -> None:
    """Scores the pairs of ``config.input`` in their order and writes a line for each to ``config.output``.

    Args:
        model: folder of a run, or a SavedModel.
        config: complete.

    Raises:
        InputError: the model, the input or the output cannot be used.
    """
    # 1. What can be checked without the model.
    check_output(model, config.input, config.output)
    if config.output == STDIN:
        standard_output("--output")  # reports a closed stdout before the model is loaded
    from_stdin = config.input == STDIN
    with open_input(config.input) as file:
        name = "stdin" if from_stdin else config.input
        json_lines, pairs = read_pairs(file, name, config.input, column_names(config.columns))

        # 2. How many there are decides the arithmetic. What comes from stdin is scored at once.
        at_once = from_stdin and not config.runner
        first = [] if at_once else list(itertools.islice(pairs, MANY))
        config = dataclasses.replace(config, precision=arithmetic_for(config.precision, len(first)))
        pairs = itertools.chain(first, pairs)

        # 3. The model is loaded and scores windows of pairs as they are read.
        from keras_negaposi.serving.scorer import WINDOW

        size = config.batch_size * (1 if at_once else WINDOW)
        windows = iter(lambda: list(itertools.islice(pairs, size)), [])
        engine = engine_of(config, os.path.dirname(config.output), one_by_one)
        make_work = functools.partial(_scorer, for_workers(config, model), config)
        scored = itertools.chain.from_iterable(engine(make_work, windows))
        with open_output(config.output) as output:
            for count, (probability, label) in enumerate(scored, 1):
                if json_lines:
                    output.write(json.dumps({"probability": round(probability, 6), "label": label}) + "\n")
                else:
                    output.write(f"{probability:.6f}\t{label}\n")
                if count % config.batch_size == 0:
                    output.flush()


def _scorer(model: str, config: PredictConfig) -> Callable[[list[tuple[str, str]]], list[tuple[float, int]]]:
    """Returns a function that scores pairs as `Scorer.stream` does in one window."""
    from keras_negaposi.serving.scorer import WINDOW, Scorer

    scorer = Scorer(model, config.precision)
    return lambda pairs: list(scorer.stream(pairs, config.batch_size, WINDOW))

"""The command that scores one test pair of a finished run: a first thing to try, with the answer to expect."""

from __future__ import annotations

import io
import shlex

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.readers.table import read_pairs

LONGEST = 60
"""Most characters of A and B together, so that the command can be read at a glance."""


def predict_command(run: FinishedRun) -> str:
    """Returns a shell command that scores a pair with ``keras_negaposi.predict``.

    The pair is the shortest positive one of the test part that the model is right about; its score follows as a
    comment. If each is longer than `LONGEST`, the command has placeholders.
    """
    scores, folder = run.scores, shlex.quote(run.folder.path)
    predict = f"python -m keras_negaposi.predict {folder}"
    right = np.flatnonzero((scores.labels == 1) & (scores.predictions == 1))
    found = [(run.texts[run.test[row].a], run.texts[run.test[row].b], scores.probabilities[row]) for row in right]
    short = [pair for pair in found if _length(pair[0], pair[1]) <= LONGEST and _is_a_row(pair[0], pair[1])]
    if not short:
        return f"printf 'text A\\ttext B\\n' | {predict}"
    a, b, probability = min(short, key=lambda pair: _length(pair[0], pair[1]))
    return f"printf '%s\\t%s\\n' {shlex.quote(a)} {shlex.quote(b)} | {predict}   # {probability:.2f} (label 1)"


def _length(a: str, b: str) -> int:
    return len(a) + len(b)


def _is_a_row(a: str, b: str) -> bool:
    """Returns whether a terminal shows the texts as they are, and `predict` reads them so from a line."""
    if not (a.isprintable() and b.isprintable()):
        return False
    try:
        return list(read_pairs(io.BytesIO(f"{a}\t{b}\n".encode()), "stdin")[1]) == [(a, b)]
    except InputError:
        return False

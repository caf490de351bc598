"""``scores_*.tsv``: the model's score for every pair of a part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, read_text
from checkpoints_tools.common.tables import escaped, read_rows, write_rows
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.metrics import Scores

HEADER = ["a", "b", "label", "probability", "prediction"]
FIX = "continue the run with --resume to recreate the file"


def scores_table(pairs: Sequence[Pair], scores: Scores) -> str:
    """Returns the scores as tab-separated text with a header, a row per pair; titles are escaped as in `tables`."""
    rows = [HEADER]
    for pair, probability, prediction in zip(pairs, scores.probabilities, scores.predictions, strict=True):
        rows.append([pair.a, pair.b, str(pair.label), f"{probability:.9g}", str(prediction)])
    return write_rows(rows)


def read_scores(path: str, pairs: Sequence[Pair], threshold: float | None, batch_size: int) -> Scores:
    """Reads a table that `scores_table` made for these pairs.

    Args:
        path: the table.
        pairs: of the part, in its order.
        threshold: above which the model predicts 1; ``None`` if only the table's predictions tell.
        batch_size: see `Scores`.

    Raises:
        InputError: the file is missing, is not a score table, or is for other pairs; the message names the line.
    """
    if not exists(path):
        raise InputError(f"{path}: file not found, so the run is not finished; {FIX}")
    try:
        text = read_text(path)
    except InputError as error:
        raise InputError(f"{error}; {FIX}") from None
    header, *rows = read_rows(text)
    if header != HEADER:
        raise InputError(f"{path}: line 1: not the header of a score table; {FIX}")
    if len(rows) != len(pairs):
        raise InputError(f"{path}: {len(rows):,} rows, but the run has {len(pairs):,} pairs in this part; {FIX}")
    probabilities = [
        _probability(row, pair, f"{path}: line {number}")
        for number, (row, pair) in enumerate(zip(rows, pairs, strict=True), 2)
    ]
    labels, scores = np.array([pair.label for pair in pairs], np.int32), np.array(probabilities, np.float32)
    if threshold is None:
        threshold = float(max((score for score, row in zip(scores, rows, strict=True) if row[4] == "0"), default=-1))
    return Scores(labels, scores, threshold, batch_size)


def _probability(row: list[str], pair: Pair, place: str) -> float:
    """Returns the probability in a row.

    Raises:
        InputError: the row is for another pair, or a value in it is invalid.
    """
    if len(row) != len(HEADER):
        raise InputError(f"{place}: {len(row)} columns instead of {len(HEADER)}; {FIX}")
    for name, cell, title in (("a", row[0], pair.a), ("b", row[1], pair.b), ("label", row[2], str(pair.label))):
        if cell not in (escaped(title), _as_older_versions_wrote(title)):
            raise InputError(f"{place}: column {name} is {quoted(cell)}, expected {quoted(title)}; {FIX}")
    try:
        probability = float(row[3])
    except ValueError:
        probability = -1.0
    if not 0.0 <= probability <= 1.0 or row[4] not in ("0", "1"):
        raise InputError(f"{place}: invalid probability {quoted(row[3])} or prediction {quoted(row[4])}; {FIX}")
    return probability


def _as_older_versions_wrote(title: str) -> str:
    """Returns the title as versions without escapes wrote it."""
    return title.replace("\t", " ").replace("\n", " ")

"""Scores pairs of texts with the SavedModel of a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the SavedModel's SentencePiece op

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join
from checkpoints_tools.saved_model import PROGRAM, find_signature, load_saved_model
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.by_ids import Score, in_float32, score_by_ids
from keras_negaposi.serving.calibration import saved_combination
from keras_negaposi.serving.signatures import (
    LABEL,
    PAIR_OF_TEXTS,
    PROBABILITIES,
    SCORE_IDS,
    SCORE_TEXTS,
    takes_texts,
)

WINDOW = 16
_FIX = "give one that train has written"


class Scorer:
    """Scores pairs of texts.

    Args:
        path: a run's folder, or a SavedModel that `export` wrote.
        precision: ``float32`` or ``int8``; ``int8`` needs a run's folder.

    Attributes:
        score_tensors: scores texts that are tensors.

    Raises:
        InputError: ``path`` is neither of these, or the SavedModel does not score pairs of texts.
    """

    def __init__(self, path: str, precision: str = "float32") -> None:
        self.score_tensors = _score_in_int8(path) if precision == "int8" else self._score_in_float32(path)

    def _score_in_float32(self, path: str) -> Score:
        folder = next((p for p in (path, RunFolder(path).saved_model) if exists(join(p, PROGRAM))), None)
        if folder is None:
            raise InputError(f"{path}: neither a run's folder nor a SavedModel (no {PROGRAM} in it)")
        loaded = load_saved_model(folder)
        self._loaded = loaded  # A signature alone does not keep its variables alive.
        if not takes_texts(loaded):
            return _score_with_own_tokenizer(path, loaded)
        signature = find_signature(loaded, SCORE_TEXTS, folder, (PROBABILITIES, LABEL))

        # Check that the signature takes and returns what ours does.
        output = signature.structured_outputs[PROBABILITIES]
        if output.dtype != tf.float32 or not output.shape.is_compatible_with([None, 2]):
            raise InputError(
                f"{folder}: returns {output.dtype.name} {output.shape} as {PROBABILITIES}, not float32 (None, 2); "
                f"{_FIX}"
            )
        inputs = set(signature.structured_input_signature[1])
        if inputs != set(PAIR_OF_TEXTS):
            raise InputError(f"{folder}: takes {quoted(sorted(inputs))}, not {' and '.join(PAIR_OF_TEXTS)}; {_FIX}")

        return lambda a, b: {
            name: value.numpy() for name, value in signature(**dict(zip(PAIR_OF_TEXTS, (a, b), strict=True))).items()
        }

    def score(self, text_a: Sequence[str], text_b: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the probability that B comes next, ``float32 [pairs]``, and the label, ``int32 [pairs]``."""
        result = self.score_tensors(tf.constant(list(text_a)), tf.constant(list(text_b)))
        return result[PROBABILITIES][:, 1], result[LABEL]

    def stream(
        self, pairs: Iterable[tuple[str, str]], batch_size: int, window: int = WINDOW
    ) -> Iterator[tuple[float, int]]:
        """Scores pairs in batches and yields (probability, label) in the order of the pairs.

        Args:
            pairs: (A, B).
            batch_size: pairs in a batch; each batch is padded to its longest pair.
            window: batches that are read and sorted by length before the first of them is scored. Use 1 where someone
                waits for each score.
        """
        iterator = iter(pairs)
        while chunk := list(islice(iterator, window * batch_size)):
            yield from self._score_sorted(chunk, batch_size)

    def _score_sorted(self, pairs: list[tuple[str, str]], batch_size: int) -> list[tuple[float, int]]:
        """Scores pairs of similar length together, so that little padding is computed."""
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        scored: dict[int, tuple[float, int]] = {}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            probabilities, labels = self.score(*zip(*(pairs[i] for i in rows), strict=True))
            scored |= zip(rows, zip(probabilities.tolist(), labels.tolist(), strict=True), strict=True)
        return [scored[i] for i in range(len(pairs))]


def _score_in_int8(run: str) -> Score:
    from keras_negaposi.serving.int8 import Quantized

    calibration, _ = saved_combination(RunFolder(run))
    if calibration.ensemble:
        raise InputError(f"--precision int8: {run} also scores with another run (--ensemble); use float32")
    return score_by_ids(run, Quantized(run, SCORE_IDS))


def _score_with_own_tokenizer(run: str, loaded: tf.Module) -> Score:
    """Scores with a run whose SavedModel takes only token ids."""
    folder = RunFolder(run)
    if not exists(folder.config):
        raise InputError(
            f"{run}: a SavedModel without a tokenizer, because MeCab cannot be part of one; give the run's folder"
        )
    calibration, _ = saved_combination(folder)
    partner = Scorer(str(saved_options(run).ensemble)).score_tensors if calibration.ensemble else None
    signature = find_signature(loaded, SCORE_IDS, folder.saved_model, (PROBABILITIES, LABEL))
    return score_by_ids(run, in_float32(signature), partner)

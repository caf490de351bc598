"""A finished model that scores texts: a run's SavedModel, loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the SavedModel's SentencePiece op

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join
from checkpoints_tools.saved_model import PROGRAM, find_signature, load_saved_model
from keras_negaposi.runtime.run_folder import RunFolder

SIGNATURE = "serving_default"
WINDOW = 16
Score = Callable[[tf.Tensor, tf.Tensor], dict[str, np.ndarray]]
"""Texts, ``string [pairs]`` twice, to ``probabilities``, ``float32 [pairs, 2]``, and ``label``, ``int32 [pairs]``."""


class Scorer:
    """Scores pairs of texts.

    Args:
        path: a run's folder, or a SavedModel that `export` wrote.
        precision: ``float32``, or ``int8`` of a run.

    Raises:
        InputError: neither is there, or the SavedModel is another's.
    """

    def __init__(self, path: str, precision: str = "float32") -> None:
        self._score = _in_int8(path) if precision == "int8" else self._load(path)

    def _load(self, path: str) -> Score:
        folder = next((p for p in (path, RunFolder(path).saved_model) if exists(join(p, PROGRAM))), None)
        if folder is None:
            raise InputError(f"{path}: neither a run's folder nor a SavedModel (no {PROGRAM} in it)")
        loaded = load_saved_model(folder)
        signature = find_signature(loaded, SIGNATURE, folder, ("probabilities", "label"))
        given = signature.structured_outputs["probabilities"]
        if given.dtype != tf.float32 or not given.shape.is_compatible_with([None, 2]):
            found = f"{given.dtype.name} {given.shape}"
            raise InputError(f"{folder}: gives {found} as probabilities; give one that train has written")
        names = set(signature.structured_input_signature[1])
        if names != {"text_a", "text_b"}:
            raise InputError(
                f"{folder}: takes {quoted(sorted(names))}, not text_a and text_b; give one that train has written"
            )
        self._loaded = loaded  # or its variables would go
        return lambda a, b: {name: value.numpy() for name, value in signature(text_a=a, text_b=b).items()}

    def score(self, text_a: Sequence[str], text_b: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Probability that B comes next, ``float32 [pairs]``, and label, ``int32 [pairs]``."""
        result = self._score(tf.constant(list(text_a)), tf.constant(list(text_b)))
        return result["probabilities"][:, 1], result["label"]

    def stream(
        self, pairs: Iterable[tuple[str, str]], batch_size: int, window: int = WINDOW
    ) -> Iterator[tuple[float, int]]:
        """Scores pairs, ``batch_size`` at a time, and gives (probability, label) in their order.

        Args:
            pairs: of texts.
            batch_size: pairs; a batch is padded to its longest.
            window: batches that are read, and sorted by length, before one is scored; 1 if somebody waits for answers.
        """
        iterator = iter(pairs)
        while some := list(islice(iterator, window * batch_size)):
            yield from self._score_sorted(some, batch_size)

    def _score_sorted(self, pairs: list[tuple[str, str]], batch_size: int) -> list[tuple[float, int]]:
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        scored: dict[int, tuple[float, int]] = {}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            probabilities, labels = self.score(*zip(*(pairs[i] for i in rows), strict=True))
            scored |= zip(rows, zip(probabilities.tolist(), labels.tolist(), strict=True), strict=True)
        return [scored[i] for i in range(len(pairs))]


def _in_int8(run: str) -> Score:
    from keras_negaposi.serving.int8 import Quantized, run_preprocessor

    preprocessor, ids = run_preprocessor(run), Quantized(run, "ids")

    def score(text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, np.ndarray]:
        packed = preprocessor.traced(text_a, text_b)
        return ids({name: packed[name] for name in preprocessor.layout.inputs})

    return score

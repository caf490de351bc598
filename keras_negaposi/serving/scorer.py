"""Scores pairs of texts with the SavedModel of a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from keras_negaposi.serving.signatures import LABEL, PROBABILITIES

WINDOW = 16


class Scorer:
    """Scores pairs of texts.

    Args:
        path: a run's folder, or a SavedModel that `export` wrote.
        precision: ``auto``, ``float32``, or ``bfloat16`` or ``int8``, which need a run's folder.
        keep_vectors: keep the vectors of all texts in memory, where the head has one vector per text, so that a text is
            encoded once per side, however many pairs it is in; needs a run's folder and ``float32``.

    Attributes:
        score_tensors: scores texts that are tensors.

    Raises:
        InputError: ``path`` is neither of these, or the SavedModel does not score pairs of texts.
    """

    def __init__(self, path: str, precision: str = "float32", keep_vectors: bool = False) -> None:
        from keras_negaposi.serving.score_function import open_score  # with TensorFlow, which takes seconds to import

        self.score_tensors = open_score(path, precision, keep_vectors)

    def score(self, text_a: Sequence[str], text_b: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the probability that B comes next, ``float32 [pairs]``, and the label, ``int32 [pairs]``."""
        import tensorflow as tf

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

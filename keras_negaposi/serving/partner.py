"""The partner of a run: another finished run on the same split, whose probabilities join the run's hybrid."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the SavedModel's SentencePiece op

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.saved_model import find_signature, load_saved_model
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.signatures import PAIR_OF_TEXTS, PROBABILITIES, SCORE_TEXTS, takes_texts


class Partner(tf.Module):
    """A finished run's exported model as a part of another one, which contains it when it is saved.

    Args:
        run: the run's folder.

    Raises:
        InputError: its SavedModel is missing or damaged, or contains no tokenizer.
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        folder = RunFolder(run).saved_model
        self._loaded = load_saved_model(folder)  # a signature alone does not keep its variables alive
        if not takes_texts(self._loaded):
            raise InputError(
                f"partner run {run}: its tokenizer needs MeCab, which cannot be part of this run's SavedModel; give "
                "another run"
            )
        self._score = find_signature(self._loaded, SCORE_TEXTS, folder, (PROBABILITIES,))

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> tf.Tensor:
        """Returns the run's final probabilities, ``float32 [batch, 2]``, of texts, ``string [batch]`` each."""
        return self._score(**dict(zip(PAIR_OF_TEXTS, (text_a, text_b), strict=True)))[PROBABILITIES]

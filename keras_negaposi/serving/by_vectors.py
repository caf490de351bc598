"""Scores pairs of texts with a bi-encoder whose sides are one vector each: a text is encoded once per side.

For a known set of texts that are in many pairs, as in the ranking of a test part: all vectors stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from checkpoints_tools.saved_model import find_signature
from keras_negaposi.config.heads import SIDES
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.by_ids import EncodeSide, Outputs, Score, load_side, with_lexical
from keras_negaposi.serving.signatures import SCORE_SIDES, join_sides, stack_known


def score_by_vectors(run: str, loaded: tf.Module) -> Score:
    """Returns a function that scores texts as the SavedModel's signature for texts does, up to rounding.

    Args:
        run: folder of a finished run with the head `BI_ENCODER`, without a partner.
        loaded: its SavedModel.

    Raises:
        InputError: a file of the run cannot be used.
    """
    signature = find_signature(loaded, SCORE_SIDES, RunFolder(run).saved_model)
    vectors = {side: _remembering(load_side(run, loaded, side)) for side in SIDES}

    def score(text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
        texts = dict(zip(SIDES, (text_a.numpy().tolist(), text_b.numpy().tolist()), strict=True))
        sides = join_sides({side: vectors[side](of_side) for side, of_side in texts.items()})
        scored = signature(**{name: tf.constant(value) for name, value in sides.items()})
        return {name: value.numpy() for name, value in scored.items()}

    return with_lexical(run, score)


def _remembering(encode: EncodeSide) -> Callable[[Sequence[bytes]], Outputs]:
    """Returns a function that maps texts to a side's tensors, ``float32 [texts, ...]`` each, and encodes new texts."""
    known: dict[bytes, Outputs] = {}

    return lambda texts: stack_known(texts, known, lambda new: encode(tf.constant(new)))

"""The arithmetic of a finished model other than float32: which one, and its functions for token ids."""

from __future__ import annotations

from keras_negaposi.config.data import AUTO
from keras_negaposi.config.using import FLOAT32, INT8, MANY
from keras_negaposi.serving.by_ids import OfIds


def chosen_arithmetic(wanted: str) -> str:
    """Returns the arithmetic; ``auto`` chooses bfloat16 if this machine has it, otherwise float32."""
    if wanted != AUTO:
        return wanted
    from keras_negaposi.modeling.precision import choose_precision  # with Keras, which float32 does not need

    return choose_precision(wanted)


def arithmetic_for(wanted: str, count: int) -> str:
    """Returns the arithmetic for so many texts or pairs; ``auto`` chooses float32 if they are not `MANY`."""
    return FLOAT32 if wanted == AUTO and count < MANY else wanted


def in_arithmetic(name: str, run: str, signature: str) -> OfIds:
    """Opens a signature for token ids of a run's model in bfloat16 or with 8 bits.

    Raises:
        InputError: ``run`` is not the folder of a finished run, or its model cannot compute so.
    """
    if name == INT8:
        from keras_negaposi.serving.int8 import Quantized

        return Quantized(run, signature)
    from keras_negaposi.serving.bfloat16 import InBfloat16  # with tf-models

    return InBfloat16(run, signature)

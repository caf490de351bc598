"""The bridge between TF1 BERT checkpoints and today's tf-models ``BertEncoder``."""

import os

# tf-models is written for Keras 2. Said before TensorFlow's first import, it also spares loading Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from checkpoints_tools.errors import InputError

__all__ = ["InputError", "load_encoder"]


def __getattr__(name: str):  # noqa: ANN202 - the type is that of the attribute asked for
    """Import TensorFlow only when an encoder is asked for, so that ``--help`` stays quick."""
    if name == "load_encoder":
        from checkpoints_tools.encoder import load_encoder

        return load_encoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

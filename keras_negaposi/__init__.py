"""Does text B come next after text A? A Keras-native pair classifier for short Japanese texts.

The public names are imported when they are first used, so that ``import keras_negaposi`` is quick.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from checkpoints_tools.common import native_log

# tf-models is written for Keras 2. Set before TensorFlow's first import, this also avoids loading Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
native_log.limit()

if TYPE_CHECKING:
    from keras_negaposi.api import PairClassifier
    from keras_negaposi.retrieval import Index, build_index
    from keras_negaposi.serving.scorer import Scorer
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

    __version__: str

__all__ = ["Index", "PairClassifier", "Scorer", "Tokenizer", "__version__", "build_index"]
_MODULES = {
    "Index": "keras_negaposi.retrieval",
    "PairClassifier": "keras_negaposi.api",
    "Scorer": "keras_negaposi.serving.scorer",
    "Tokenizer": "keras_negaposi.tokenizers.sentencepiece",
    "build_index": "keras_negaposi.retrieval",
}
_UNKNOWN_VERSION = "0+unknown"
"""The version where the package was not installed, but only put on the path."""


def __getattr__(name: str) -> object:
    """Imports a public name, or reads the version of the installed package, when it is first used."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("keras-negaposi")
        except PackageNotFoundError:
            return _UNKNOWN_VERSION
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Lists the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})

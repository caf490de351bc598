"""Exports of a finished run to other tools."""

from __future__ import annotations

import dataclasses

from checkpoints_tools.common.cli import option, required_path
from keras_negaposi.config.headings import OUTPUT

HUGGINGFACE, SENTENCE_TRANSFORMERS, ONNX, SERVING = "huggingface", "sentence_transformers", "onnx", "serving"
FORMATS = (HUGGINGFACE, SENTENCE_TRANSFORMERS, ONNX, SERVING)


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Options of ``keras_negaposi.export``."""

    to: str = option(
        HUGGINGFACE,
        f"{HUGGINGFACE}: transformers (head pair). {SENTENCE_TRANSFORMERS}: sentence-transformers (head vector). "
        f"{ONNX}: token ids to probabilities, every head (extra onnx). {SERVING}: TensorFlow Serving, every head",
        choices=FORMATS,
        heading=OUTPUT,
    )
    output: str = required_path(
        f"folder to write, new or empty; with --to {SERVING}, the next version is added to it", heading=OUTPUT
    )

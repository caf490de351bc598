"""The pieces of texts, each text tokenized once however many pairs it is in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.input_pipeline.tokenizer import Tokenizer
from keras_negaposi.runtime.executors import Engine

BATCH = 1024

Pieces = list[np.ndarray]
"""Ids of each text's pieces, ``int32 [pieces]``, special ids not included."""


def tokenize_texts(
    tokenizer: Tokenizer, texts: dict[str, str], titles: Iterable[str], engine: Engine[Sequence[str], Pieces]
) -> dict[str, np.ndarray]:
    """The pieces of some titles' texts, by title."""
    wanted = list(dict.fromkeys(titles))
    batches = [[texts[title] for title in wanted[start : start + BATCH]] for start in range(0, len(wanted), BATCH)]
    pieces: Pieces = []
    tick = Ticker("tokenizing the texts", len(wanted))
    for found in engine(functools.partial(_tokenizing, tokenizer), batches):
        pieces += found
        tick(len(pieces))
    return dict(zip(wanted, pieces, strict=True))


def _tokenizing(tokenizer: Tokenizer) -> Callable[[Sequence[str]], Pieces]:
    return tokenizer.encode_arrays

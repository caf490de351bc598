"""Names of the SavedModel's signatures and of their inputs and outputs; `export` describes what each one computes.

Exported models contain these names, so they are a contract: a changed value makes existing runs unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from keras_negaposi.config.heads import SIDES

Key = TypeVar("Key")
Value = TypeVar("Value")

SCORE_TEXTS = "serving_default"
SCORE_IDS = "ids"
ENCODE_TEXTS = {side: f"encode_{side}" for side in SIDES}
ENCODE_IDS = {side: f"encode_{side}_ids" for side in SIDES}
SCORE_SIDES = "score"
SCORE_SIDES_HALF = "score_half"
"""The same as `SCORE_SIDES` with B's side in float16."""

TEXT = "text"
PAIR_OF_TEXTS = tuple(f"text_{side}" for side in SIDES)
PROBABILITIES, LABEL = "probabilities", "label"


def takes_texts(loaded: object) -> bool:
    """Returns whether a loaded SavedModel that `export` wrote contains a tokenizer."""
    signatures = getattr(loaded, "signatures", {})
    return SCORE_TEXTS in signatures or SCORE_IDS not in signatures


def join_sides(sides: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """Returns the tensors of both sides, named as `SCORE_SIDES` takes them: ``a_vector``, ``b_vector``."""
    return {f"{side}_{name}": value for side, tensors in sides.items() for name, value in tensors.items()}


def split_rows(keys: Sequence[Key], tensors: Mapping[str, np.ndarray]) -> dict[Key, dict[str, np.ndarray]]:
    """Returns the tensors of each row by its key: ``[rows, ...]`` each -> ``[...]`` each."""
    return {key: {name: values[row] for name, values in tensors.items()} for row, key in enumerate(keys)}


def stack_rows(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the tensors of rows, at least one, together; the inverse of `split_rows`."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def stack_known(
    keys: Sequence[Key],
    known: dict[Key, dict[str, np.ndarray]],
    compute: Callable[[list[Key]], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns the tensors of rows together; those that are not known are computed, once each, and then are known."""
    if new := [key for key in dict.fromkeys(keys) if key not in known]:
        known.update(split_rows(new, compute(new)))
    return stack_rows([known[key] for key in keys])


def split_sides(tensors: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Returns the tensors of each side; the inverse of `join_sides`."""
    return {
        side: {name.removeprefix(f"{side}_"): value for name, value in tensors.items() if name.startswith(f"{side}_")}
        for side in SIDES
    }

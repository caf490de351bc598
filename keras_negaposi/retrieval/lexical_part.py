"""The lexical part of an index: the n-grams of all texts and, in an index without a run, what was fitted on them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, write_json
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.retrieval.checked_files import FIX, check_array, checksum, map_array, read_json, release
from keras_negaposi.retrieval.lexical_index import STARTS, TEXTS, WEIGHTS, LexicalIndex
from keras_negaposi.retrieval.self_labelled import Fit

MODEL, FIT = "model.npz", "fit.json"
"""Files of an index without a run: its own lexical model, and its `Fit`."""


@dataclasses.dataclass(frozen=True)
class LexicalPart:
    """What characters say about the texts of an index.

    Attributes:
        index: the n-grams of all texts; ``None`` if an older version made the index.
        model: scores pairs of texts.
        fit: how the model was fitted; ``None`` if it belongs to a run.
    """

    index: LexicalIndex | None
    model: LexicalModel
    fit: Fit | None = None

    def write(self, folder: str) -> None:
        """Writes the files; the model only if it does not belong to a run, which has it already."""
        for name, array in (self.index.arrays() if self.index else {}).items():
            np.save(os.path.join(folder, f"{name}.npy"), array)
        if self.fit:
            self.model.save(os.path.join(folder, MODEL))
            write_json(os.path.join(folder, FIT), dataclasses.asdict(self.fit))


def read_lexical_part(
    folder: Path, checksums: Mapping[str, int], texts: Sequence[str], model: LexicalModel | None = None
) -> LexicalPart:
    """Reads what `LexicalPart.write` has written.

    Args:
        folder: of the files.
        checksums: by file name.
        texts: of the index, each once, in the order in which they were given to `LexicalIndex.of`.
        model: of the run; ``None`` if the index has its own.

    Raises:
        InputError: a file is missing or damaged.
    """
    for name in checksums:
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: file not found; {FIX}")
    fit = None
    if model is None:
        fit = read_json(Fit, folder / FIT, checksums.get(FIT))
        if checksum(read_bytes(str(folder / MODEL))) != checksums.get(MODEL):
            raise InputError(f"{folder / MODEL}: its checksum differs from the one in the manifest; {FIX}")
        model = LexicalModel.load(str(folder / MODEL), FIX)
    arrays = {name: map_array(folder / f"{name}.npy") for name in (STARTS, TEXTS, WEIGHTS)}
    for name, array in arrays.items():
        check_array(folder / f"{name}.npy", array, checksums)
    try:
        index = LexicalIndex.from_arrays(model.frequencies, arrays, len(texts))
    except InputError as error:
        raise InputError(f"{folder}: {error}; {FIX}") from None
    for array in arrays.values():  # All of it has been read; a query needs little.
        release(array)
    return LexicalPart(index, model, fit)

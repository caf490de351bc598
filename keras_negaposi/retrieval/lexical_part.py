"""The part of an index that depends on all of its texts: their n-grams and, without a run, what was fitted on them."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_json
from keras_negaposi.index_files.checked_files import FIX, check_array, map_array, read_checked, read_json, release
from keras_negaposi.index_files.lexical_index import STARTS, TEXTS, WEIGHTS, LexicalIndex
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.retrieval.self_labelled import Fit

MODEL, FIT = "model.npz", "fit.json"
"""Files of an index without a run: its own lexical model, and its `Fit`."""
DENSITIES = "densities.npy"
"""File of an index without a run that has vectors."""
NEIGHBOURS = "neighbours.npz"
"""File of a run's index: its pages, with which the run's lexical model compares pairs."""


@dataclasses.dataclass(frozen=True)
class LexicalPart:
    """What characters say about the texts of an index.

    Attributes:
        index: the n-grams of all texts; ``None`` if an older version made the index.
        model: scores pairs of texts.
        fit: how the model was fitted; ``None`` if it belongs to a run.
        densities: of all texts, ``float32 [texts]`` (see `page_density`); ``None`` in an index with a run, whose
            densities are stored with its vectors, or without vectors.
    """

    index: LexicalIndex | None
    model: LexicalModel
    fit: Fit | None = None
    densities: np.ndarray | None = None

    def write(self, folder: str) -> None:
        """Writes the files; of a model that a run has already, only the pages with which pairs are compared."""
        for name, array in (self.index.arrays() if self.index else {}).items():
            np.save(os.path.join(folder, f"{name}.npy"), array)
        if self.fit is None and self.model.neighbours:
            np.savez_compressed(os.path.join(folder, NEIGHBOURS), allow_pickle=False, **self.model.neighbours.arrays())
        if self.densities is not None:
            np.save(os.path.join(folder, DENSITIES), self.densities)
        if self.fit:
            self.model.save(os.path.join(folder, MODEL))
            write_json(os.path.join(folder, FIT), dataclasses.asdict(self.fit))

    def updated(self, before: Mapping[str, str], pages: Mapping[str, str]) -> LexicalPart | None:
        """Returns the part for changed pages, with the same weights; ``None`` if no weights were fitted.

        The n-grams are those that a new index of the pages would have.

        Args:
            before: title -> text, the pages of this part.
            pages: title -> text, the pages as they are now.
        """
        if self.fit is None or not self.fit.pairs:
            return None
        removed = [text for title, text in before.items() if pages.get(title) != text]
        added = [text for title, text in pages.items() if before.get(title) != text]
        frequencies = self.model.frequencies.changed(removed, added)
        return LexicalPart(
            LexicalIndex.of(frequencies, list(dict.fromkeys(pages.values()))),
            dataclasses.replace(self.model, frequencies=frequencies).with_pages(pages.values()),
            dataclasses.replace(self.fit, outdated=self.fit.outdated or before != pages),
        )


def has_old_weights(folder: Path, checksums: Mapping[str, int]) -> bool:
    """Returns whether pages have changed since the weights of an index without a run were fitted.

    Raises:
        InputError: as `read_fit`.
    """
    return FIT in checksums and read_fit(folder, checksums).outdated


def read_fit(folder: Path, checksums: Mapping[str, int]) -> Fit:
    """Reads how the model of an index without a run was fitted.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(Fit, folder / FIT, checksums.get(FIT))


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
        fit = read_fit(folder, checksums)
        model = LexicalModel.of_content(read_checked(folder / MODEL, checksums), str(folder / MODEL), FIX)
    elif NEIGHBOURS in checksums and model.neighbours:
        with np.load(io.BytesIO(read_checked(folder / NEIGHBOURS, checksums)), allow_pickle=False) as file:
            model = dataclasses.replace(model, neighbours=Neighbours.from_arrays(file))
    arrays = {name: map_array(folder / f"{name}.npy") for name in (STARTS, TEXTS, WEIGHTS)}
    for name, array in arrays.items():
        check_array(folder / f"{name}.npy", array, checksums)
    try:
        index = LexicalIndex.from_arrays(model.frequencies, arrays, len(texts))
    except InputError as error:
        raise InputError(f"{folder}: {error}; {FIX}") from None
    for array in arrays.values():  # All of it has been read; a query needs little.
        release(array)
    return LexicalPart(index, model, fit, _read_densities(folder, checksums, len(texts)))


def _read_densities(folder: Path, checksums: Mapping[str, int], texts: int) -> np.ndarray | None:
    """Reads the densities of the texts, if there are any; older versions stored none."""
    if DENSITIES not in checksums:
        return None
    densities = np.array(map_array(folder / DENSITIES))
    check_array(folder / DENSITIES, densities, checksums)
    if densities.dtype != np.float32 or densities.shape != (texts,) or not np.isfinite(densities).all():
        raise InputError(f"{folder / DENSITIES}: not one number for each of the {texts:,} texts; {FIX}")
    return densities

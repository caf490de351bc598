"""A segment of an index: a folder with the keys and tensors of texts that were encoded together. It never changes.

``keys.json`` lists the texts' keys. Each tensor is a ``.npy`` file, which is memory-mapped, so that an index may be
larger than the memory. It has one row per text, or one row per token. The latter are stored one text after the other
without padding, and ``lengths.npy`` has the number of tokens of each text.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, write_json
from keras_negaposi.index_files.checked_files import FIX, check_array, checksum, map_array, read_json, release
from keras_negaposi.modeling.heads.tensor_names import MASK

KEYS, LENGTHS = "keys.json", "lengths.npy"
DTYPES = ("float16", "float32")

Rows = dict[str, np.ndarray]
"""Tensors of some texts by name: ``[texts, dim]``, or ``[texts, seq, dim]`` with a ``mask``, ``[texts, seq]``."""


def is_by_token(name: str, array: np.ndarray) -> bool:
    """Returns whether a tensor of `Rows` has one row per token (and may be padded), not one per text."""
    return name == MASK or array.ndim == 3


@dataclasses.dataclass(frozen=True)
class Segment:
    """The content of a segment.

    Attributes:
        path: its folder.
        keys: of the texts, in the order of the rows.
        arrays: the tensors by name, ``[texts, dim]`` or ``[tokens, dim]``.
        lengths: number of tokens of each text, ``int [texts]``; ``None`` if no tensor has one row per token.
        checksums: by file name; empty if an older version wrote the segment.
    """

    path: Path
    keys: list[str]
    arrays: dict[str, np.ndarray]
    lengths: np.ndarray | None
    checksums: dict[str, int]

    @classmethod
    def read(cls, path: Path, checksums: dict[str, int]) -> Segment:
        """Opens a segment. The arrays' checksums are compared later, when `rows` first reads the arrays.

        Raises:
            InputError: a file is missing or damaged.
        """
        names = checksums or [file.name for file in path.glob("*.npy")]
        keys = read_json(list[str], path / KEYS, checksums.get(KEYS))

        # The lengths are small and needed at once, so they are loaded and compared here.
        lengths = None
        if LENGTHS in names:
            lengths = np.array(map_array(path / LENGTHS))
            check_array(path / LENGTHS, lengths, checksums)
            if lengths.dtype.kind not in "iu" or lengths.shape != (len(keys),) or lengths.min(initial=1) < 1:
                raise InputError(f"{path / LENGTHS}: not a number of tokens for each of the {len(keys):,} keys; {FIX}")

        # An array's rows must be the segment's texts or its tokens.
        arrays = {name[:-4]: map_array(path / name) for name in sorted(names) if name not in (KEYS, LENGTHS)}
        rows = {len(keys)} if lengths is None else {len(keys), int(lengths.sum())}
        for name, array in arrays.items():
            if array.dtype.name not in DTYPES or not array.dtype.isnative or array.ndim != 2 or len(array) not in rows:
                raise InputError(
                    f"{path / name}.npy: {array.dtype} {list(array.shape)} does not fit the segment's keys; {FIX}"
                )
        if not arrays:
            raise InputError(f"{path}: contains no array; {FIX}")
        return cls(path, keys, arrays, lengths, checksums)

    def rows(self, start: int, stop: int) -> Rows:
        """Returns the tensors of the texts from ``start`` to ``stop``, padded to the longest of these texts.

        Raises:
            InputError: an array is damaged.
        """
        arrays = self._checked_arrays
        if self.lengths is None:
            return {name: array[start:stop] for name, array in arrays.items()}
        ends, lengths = self._ends, self.lengths[start:stop]
        mask = np.arange(lengths.max(initial=0)) < lengths[:, np.newaxis]
        padded = {}
        for name, array in arrays.items():
            if len(array) == len(self.keys):  # Every text has two tokens at least, so these are never tokens.
                padded[name] = array[start:stop]
                continue
            padded[name] = np.zeros((*mask.shape, array.shape[1]), array.dtype)
            padded[name][mask] = array[ends[start] : ends[stop]]
        return padded | {MASK: mask.astype(np.int32)}

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        """Where each text's tokens begin, and the last text's end, ``int [texts + 1]``."""
        return np.concatenate([[0], np.cumsum(() if self.lengths is None else self.lengths)])

    @functools.cached_property
    def _checked_arrays(self) -> dict[str, np.ndarray]:
        for name, array in self.arrays.items():
            file = self.path / f"{name}.npy"
            if self.checksums:
                check_array(file, array, self.checksums)
            elif not np.isfinite(array).all():
                raise InputError(f"{file}: contains values that are not finite; {FIX}")
        return self.arrays

    def release(self) -> None:
        """Gives back the memory of what was read of the arrays."""
        for array in self.arrays.values():
            release(array)

    def sums(self) -> dict[str, int]:
        """Returns the checksums by file name; computes them if an older version wrote the segment without any."""
        if self.checksums:
            return self.checksums
        arrays = self.arrays | ({} if self.lengths is None else {Path(LENGTHS).stem: self.lengths})
        return _checksums(arrays, read_bytes(str(self.path / KEYS)))

    def layout(self) -> dict[str, tuple[str, int]]:
        """Returns the type and width of each array; they are the same in all segments of an index."""
        return {name: (array.dtype.name, array.shape[1]) for name, array in self.arrays.items()}

    def bytes(self) -> int:
        """Returns the size of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def write_segment(path: Path, keys: Sequence[str], arrays: Rows) -> Segment:
    """Writes a segment; its folder appears only when it is complete.

    Args:
        path: of the new folder.
        keys: of the texts.
        arrays: of `unpadded`.
    """
    with temporary.folder(str(path.parent)) as staging:
        for name, array in arrays.items():
            np.save(os.path.join(staging, f"{name}.npy"), array)
        write_json(os.path.join(staging, KEYS), list(keys))
        outputs.open_to_others(staging)
        os.rename(staging, path)
    return Segment.read(path, _checksums(arrays, (path / KEYS).read_bytes()))


def _checksums(arrays: Rows, keys: bytes) -> dict[str, int]:
    return {f"{name}.npy": checksum(array) for name, array in arrays.items()} | {KEYS: checksum(keys)}


def unpadded(batches: Sequence[Rows]) -> Rows:
    """Returns the arrays of a segment's files: tokens without padding, and the texts' lengths if there are tokens.

    Args:
        batches: the texts' tensors in order; each batch may be padded to another length.
    """
    flat = [
        {name: array[batch[MASK] > 0] if is_by_token(name, array) else array for name, array in batch.items()}
        for batch in batches
    ]
    arrays = {name: np.concatenate([batch[name] for batch in flat]) for name in flat[0] if name != MASK}
    masks = [batch[MASK] for batch in batches if MASK in batch]
    lengths = {Path(LENGTHS).stem: np.concatenate([mask.sum(axis=1) for mask in masks])} if masks else {}
    return arrays | lengths

"""A segment of an index: texts that were encoded together, with their keys and arrays, checked against checksums."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

KEYS, LENGTHS, MASK = "keys.json", "lengths.npy", "mask"
DTYPES = ("float16", "float32")
HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON writes half a surrogate pair, which is no text; we write none."""
FIX = "build the index again in another folder"
HEADERS = threading.Lock()
"""Held while NumPy evaluates a header by ``ast``: Python 3.11 counts its depth for all threads together (gh-106905)."""

Rows = dict[str, np.ndarray]
"""Tensors of some texts by name: ``[rows, dim]``, or ``[rows, seq, dim]`` and then with a ``mask``, ``[rows, seq]``."""


def is_by_token(name: str, array: np.ndarray) -> bool:
    """Whether a tensor of `Rows` has a row a token, so that it can be padded; or else a row a text."""
    return name == MASK or array.ndim == 3


@dataclasses.dataclass(frozen=True)
class Segment:
    """``keys`` of the texts in order, and a memory-mapped array a tensor.

    An array has a row a text, or a row a token, of which every text has its two special ones at least. ``checksums``
    are those of the files by name; empty if an older version wrote the segment.
    """

    path: Path
    keys: list[str]
    arrays: dict[str, np.ndarray]
    lengths: np.ndarray | None
    checksums: dict[str, int]

    @classmethod
    def read(cls, path: Path, checksums: dict[str, int]) -> Segment:
        """Opens a segment. Its arrays are compared with their checksums when `rows` first reads them.

        Raises:
            InputError: something in it is missing or damaged.
        """
        names = checksums or [file.name for file in path.glob("*.npy")]
        keys = read_checked(list[str], path / KEYS, checksums.get(KEYS))
        lengths = None
        if LENGTHS in names:
            lengths = np.array(_mapped(path / LENGTHS))
            _check_sum(path / LENGTHS, lengths, checksums)
            if lengths.dtype.kind not in "iu" or lengths.shape != (len(keys),) or lengths.min(initial=1) < 1:
                raise InputError(f"{path / LENGTHS}: not a number of tokens for each of the {len(keys):,} keys; {FIX}")
        arrays = {name[:-4]: _mapped(path / name) for name in sorted(names) if name not in (KEYS, LENGTHS)}
        rows = {len(keys)} if lengths is None else {len(keys), int(lengths.sum())}
        for name, array in arrays.items():
            if array.dtype.name not in DTYPES or not array.dtype.isnative or array.ndim != 2 or len(array) not in rows:
                raise InputError(
                    f"{path / name}.npy: has {array.dtype} {list(array.shape)}, not the rows of its keys; {FIX}"
                )
        if not arrays:
            raise InputError(f"{path}: no array in it; {FIX}")
        return cls(path, keys, arrays, lengths, checksums)

    def rows(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` to ``stop``, padded to the longest of them.

        Raises:
            InputError: the segment is damaged.
        """
        arrays = self._checked_arrays
        if self.lengths is None:
            return {name: array[start:stop] for name, array in arrays.items()}
        ends, lengths = self._ends, self.lengths[start:stop]
        mask = np.arange(lengths.max(initial=0)) < lengths[:, np.newaxis]
        padded = {}
        for name, array in arrays.items():
            if len(array) == len(self.keys):
                padded[name] = array[start:stop]
                continue
            padded[name] = np.zeros((*mask.shape, array.shape[1]), array.dtype)
            padded[name][mask] = array[ends[start] : ends[stop]]
        return padded | {MASK: mask.astype(np.int32)}

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @functools.cached_property
    def _checked_arrays(self) -> dict[str, np.ndarray]:
        for name, array in self.arrays.items():
            file = self.path / f"{name}.npy"
            if self.checksums:
                _check_sum(file, array, self.checksums)
            elif not np.isfinite(array).all():
                raise InputError(f"{file}: has numbers that are not finite; {FIX}")
        return self.arrays

    def sums(self) -> dict[str, int]:
        """Checksums of the files by name, computed if there were none."""
        if self.checksums:
            return self.checksums
        found = {f"{name}.npy": checksum(array) for name, array in self.arrays.items()}
        found |= {} if self.lengths is None else {LENGTHS: checksum(self.lengths)}
        return found | {KEYS: checksum(read_bytes(str(self.path / KEYS)))}

    def layout(self) -> dict[str, tuple[str, int]]:
        """Type and width of each array."""
        return {name: (array.dtype.name, array.shape[1]) for name, array in self.arrays.items()}

    def bytes(self) -> int:
        """Size of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def checksum(content: bytes | np.ndarray) -> int:
    """CRC-32 of a file's content, or of an array's numbers."""
    return zlib.crc32(content if isinstance(content, bytes) else np.ascontiguousarray(content))


def read_checked(schema: Any, path: Path, expected: int | None) -> Any:  # noqa: ANN401
    """A JSON file as ``schema``.

    Raises:
        InputError: it cannot be read, does not have the ``expected`` checksum, or is something else.
    """
    content = read_bytes(str(path))
    if expected is not None and checksum(content) != expected:
        raise InputError(f"{path}: its checksum is not the one in the manifest; {FIX}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; {FIX}") from None
    value = parse_json(text, str(path))
    if HALF.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(f"{path}: half a surrogate pair in it; {FIX}") from None
    return checked(schema, value, str(path), FIX)


def _mapped(file: Path) -> np.ndarray:
    try:
        with HEADERS:
            return np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; {FIX}") from None
    except Exception as error:  # NumPy evaluates a header that may hold anything
        raise InputError(f"{file}: not an array ({str(error):.80}); {FIX}") from None


def _check_sum(file: Path, array: np.ndarray, checksums: dict[str, int]) -> None:
    if checksums and checksum(array) != checksums.get(file.name):
        raise InputError(f"{file}: its checksum is not the one in the manifest; {FIX}")

"""An index on disk: what the model keeps of each text, memory-mapped, in segments that are never changed.

``manifest.json`` names everything that counts and is replaced in one step, so whatever kills a writer leaves the index
as it was before or after. What the manifest does not name is a leftover and is removed by the next writer.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from checkpoints_tools import lock
from checkpoints_tools.errors import InputError
from checkpoints_tools.files import PARTIAL, read_json, remove_tree, write_json

SCHEMA = 1
MANIFEST, KEYS, LENGTHS, MASK = "manifest.json", "keys.json", "lengths.npy", "mask"
SEGMENT, PAGES = "segment-", "pages-"
LEAST_LIVE = 0.5
"""A segment is written anew without its dead rows when fewer than this share are alive."""

Rows = dict[str, np.ndarray]
"""Tensors of some texts by name: ``[rows, dim]``, or ``[rows, seq, dim]`` and then with a ``mask``, ``[rows, seq]``."""


def is_by_token(name: str, array: np.ndarray) -> bool:
    """Whether a tensor of `Rows` has a row a token, so that it can be padded; or else a row a text."""
    return name == MASK or array.ndim == 3


@dataclasses.dataclass(frozen=True)
class Segment:
    """Texts that were encoded together: ``keys`` in order, and a memory-mapped array a tensor.

    An array has a row a text, or a row a token, of which every text has its two special ones at least.
    """

    path: Path
    keys: list[str]
    arrays: dict[str, np.ndarray]
    lengths: np.ndarray | None

    def rows(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` to ``stop``, padded to the longest of them."""
        if self.lengths is None:
            return {name: array[start:stop] for name, array in self.arrays.items()}
        ends, lengths = self._ends, self.lengths[start:stop]
        mask = np.arange(lengths.max(initial=0)) < lengths[:, np.newaxis]
        padded = {}
        for name, array in self.arrays.items():
            if len(array) == len(self.keys):
                padded[name] = array[start:stop]
                continue
            padded[name] = np.zeros((*mask.shape, array.shape[1]), array.dtype)
            padded[name][mask] = array[ends[start] : ends[stop]]
        return padded | {MASK: mask.astype(np.int32)}

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def bytes(self) -> int:
        """Size of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


class Store:
    """The index in a folder.

    Args:
        path: a local folder, since it is memory-mapped.

    Attributes:
        model: what the vectors depend on, by its name in a message.
        pages: title -> text.
        about: what else was written with the index.
        segments: by name.

    Raises:
        InputError: the folder holds something that is no index, or another version's.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if "://" in path:
            raise InputError(f"{path}: an index is memory-mapped; give a local folder")
        self.model: dict[str, str] = {}
        self.about: dict[str, object] = {}
        self.pages: dict[str, str] = {}
        self.segments: dict[str, Segment] = {}
        self._pages_file = ""
        if self.exists():
            self._read()
        elif self.path.is_file() or (self.path.is_dir() and not self._only_leftovers()):
            raise InputError(f"{path}: not an index (it has no {MANIFEST}); give a new folder")

    def exists(self) -> bool:
        """Whether there is an index."""
        return (self.path / MANIFEST).exists()

    def keys(self) -> set[str]:
        """Of all texts that are kept."""
        return {key for segment in self.segments.values() for key in segment.keys}

    def bytes(self) -> int:
        """Size of all arrays."""
        return sum(segment.bytes() for segment in self.segments.values())

    def begin(self, model: Mapping[str, str], about: Mapping[str, object], pages: Mapping[str, str]) -> None:
        """Makes ``pages`` the index's pages; their rows may come later."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.model, self.about = dict(model), dict(about)
        if self.pages != pages or not self._pages_file:
            number = 1 + _number(self._pages_file, PAGES)
            self.pages, self._pages_file = dict(pages), f"{PAGES}{number:06d}.json"
            write_json(str(self.path / self._pages_file), self.pages)
        self._write_manifest()
        self._remove_leftovers()

    def add(self, keys: Sequence[str], batches: Sequence[Rows]) -> None:
        """Adds a segment: the index holds it when this returns, and nothing of it when this is interrupted.

        Args:
            keys: of the texts.
            batches: their rows, in order; each may be padded to a length of its own.
        """
        masks = [batch[MASK] for batch in batches if MASK in batch]
        flat = [
            {n: array[batch[MASK] > 0] if is_by_token(n, array) else array for n, array in batch.items()}
            for batch in batches
        ]
        arrays = {name: np.concatenate([batch[name] for batch in flat]) for name in flat[0] if name != MASK}
        number = 1 + max([_number(name, SEGMENT) for name in self.segments], default=0)
        name = f"{SEGMENT}{number:06d}"
        staging = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.path))
        for tensor, array in arrays.items():
            np.save(staging / f"{tensor}.npy", array)
        if masks:
            np.save(staging / LENGTHS, np.concatenate([mask.sum(axis=1) for mask in masks]))
        write_json(str(staging / KEYS), list(keys))
        os.chmod(staging, 0o755)
        shutil.rmtree(self.path / name, ignore_errors=True)
        os.replace(staging, self.path / name)
        self.segments[name] = _read_segment(self.path / name)
        self._write_manifest()

    def drop(self, wanted: set[str]) -> None:
        """Drops the rows of other texts where they are many enough to matter."""
        for number, segment in list(self.segments.items()):
            live = [row for row, key in enumerate(segment.keys) if key in wanted]
            if len(live) >= LEAST_LIVE * len(segment.keys) and live:
                continue
            if live:
                rows = segment.rows(0, len(segment.keys))
                self.add([segment.keys[row] for row in live], [{name: array[live] for name, array in rows.items()}])
            del self.segments[number]
        self._write_manifest()
        self._remove_leftovers()

    def chunks(self, size: int, wanted: Collection[str] | None = None) -> Iterator[tuple[list[str], Rows]]:
        """All rows, or those of the ``wanted`` keys, ``size`` at a time at most, with their texts' keys."""
        for segment in self.segments.values():
            for start in range(0, len(segment.keys), size):
                stop = min(start + size, len(segment.keys))
                keys = segment.keys[start:stop]
                if wanted is None:
                    yield keys, segment.rows(start, stop)
                elif chosen := [row for row, key in enumerate(keys) if key in wanted]:
                    rows = segment.rows(start, stop)
                    yield [keys[row] for row in chosen], {name: array[chosen] for name, array in rows.items()}

    def _read(self) -> None:
        manifest = read_json(str(self.path / MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise InputError(f"{self.path / MANIFEST}: not of this version's index; make it anew in another folder")
        try:
            self.model, self.about, self._pages_file = manifest["model"], manifest["about"], manifest["pages"]
            self.pages = read_json(str(self.path / self._pages_file))  # type: ignore[assignment]
            self.segments = {name: _read_segment(self.path / name) for name in manifest["segments"]}
        except (KeyError, TypeError, OSError, ValueError, json.JSONDecodeError) as error:
            raise InputError(f"{self.path}: the index is damaged ({error}); make it anew in another folder") from None

    def _write_manifest(self) -> None:
        manifest = {
            "schema": SCHEMA,
            "model": self.model,
            "about": self.about,
            "pages": self._pages_file,
            "segments": list(self.segments),
        }
        write_json(str(self.path / MANIFEST), manifest)

    def _only_leftovers(self) -> bool:
        return all(_is_ours(name) or name == lock.NAME for name in os.listdir(self.path))

    def _remove_leftovers(self) -> None:
        named = {MANIFEST, self._pages_file, *self.segments}
        for name in set(filter(_is_ours, os.listdir(self.path))) - named:
            remove_tree(str(self.path / name))


def _read_segment(path: Path) -> Segment:
    lengths = np.load(path / LENGTHS) if (path / LENGTHS).exists() else None
    files = [file for file in sorted(path.glob("*.npy")) if file.name != LENGTHS]
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in files}
    keys = read_json(str(path / KEYS))
    rows = {len(keys)} if lengths is None else {len(keys), int(lengths.sum())}  # type: ignore[arg-type]
    if not arrays or any(len(array) not in rows for array in arrays.values()):
        raise ValueError(f"{path.name} has not the rows of its keys")
    return Segment(path, keys, arrays, lengths)  # type: ignore[arg-type]


def _is_ours(name: str) -> bool:
    return name == MANIFEST or name.startswith((SEGMENT, PAGES, PARTIAL, f"{MANIFEST}.tmp"))


def _number(name: str, prefix: str) -> int:
    digits = name.removeprefix(prefix).split(".")[0]
    return int(digits) if digits.isdigit() else 0


def in_order(keys: Iterable[str], lengths: Mapping[str, int]) -> list[str]:
    """Keys by the length of their texts, so that similar lengths are encoded and kept together."""
    return sorted(keys, key=lambda key: (lengths[key], key))

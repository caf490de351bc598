"""An index on disk: the pages, and what the model has computed for each text, in segments that never change.

Writers follow the rules in `manifest`: whatever kills one, the index stays valid, and files of other programs stay.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import is_remote, list_folder, remove_tree, write_json
from keras_negaposi.index_files.checked_files import FIX, checksum, file_checksum, read_json
from keras_negaposi.index_files.manifest import (
    LEXICAL,
    MANIFEST,
    NEIGHBOURS,
    PAGES,
    PAGES_END,
    SCHEMA,
    SEGMENT,
    Manifest,
    read_manifest,
    write_manifest,
)
from keras_negaposi.index_files.segment import KEYS, Rows, Segment, unpadded, write_segment
from keras_negaposi.runtime import folder_lock

LEAST_LIVE = 0.5
"""A segment is rewritten without unused rows when less than this share of its rows is still used."""


class Store:
    """The index in a folder.

    Args:
        path: a local folder, since the arrays are memory-mapped.

    Attributes:
        model: properties of the model on which the stored tensors depend, such as its weights' digest.
        pages: title -> text.
        about: further information for readers of the index, such as the run's folder.
        segments: by folder name.
        lexical: name of the folder of the lexical part; empty if there is none.
        lexical_checksums: of that folder's files, by name.
        neighbours: checksums of the files of each folder of the nearest-neighbour search, by folder and file.

    Raises:
        InputError: the folder contains something that is not an index, an index of another version, or a damaged one.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if is_remote(path):
            raise InputError(f"{path}: an index is memory-mapped; give a local folder")
        self.model: dict[str, str] = {}
        self.about: dict[str, object] = {}
        self.pages: dict[str, str] = {}
        self.segments: dict[str, Segment] = {}
        self.lexical = ""
        self.lexical_checksums: dict[str, int] = {}
        self.neighbours: dict[str, dict[str, int]] = {}
        self._pages_file, self._pages_sum = "", 0
        self._next_pages: tuple[str, int, dict[str, str]] | None = None
        self._next_lexical: tuple[str, dict[str, int]] | None = None
        self._begun: list[str] = []
        if (self.path / MANIFEST).exists():
            read_manifest(self.path, self._open)
        elif others := [name for name in list_folder(path) if not folder_lock.is_leftover(name)]:
            raise InputError(
                f"{path}: not an index (it has no {MANIFEST} and contains {quoted(others[0])}); give a new folder"
            )

    def exists(self) -> bool:
        """Returns whether the folder contains an index."""
        return bool(self._pages_file)

    def named(self, group: str, key: str) -> str:
        """Returns a value of ``model`` or ``about``.

        Raises:
            InputError: the manifest lacks it.
        """
        value = getattr(self, group).get(key)
        if not isinstance(value, str):
            raise InputError(f"{self.path / MANIFEST}: {group}.{key}: missing, or not a string; {FIX}")
        return value

    def keys(self) -> set[str]:
        """Returns the keys of all stored texts."""
        return {key for segment in self.segments.values() for key in segment.keys}

    def bytes(self) -> int:
        """Returns the size of all arrays, and of the files of the lexical part and of the nearest-neighbour search."""
        folders = {self.lexical: self.lexical_checksums} | self.neighbours
        files = [self.path / name / file for name, sums in folders.items() for file in sums]
        return sum(segment.bytes() for segment in self.segments.values()) + sum(file.stat().st_size for file in files)

    def chunks(self, size: int, wanted: Collection[str] | None = None) -> Iterator[tuple[list[str], Rows]]:
        """Yields the keys and tensors of all texts, or of the ``wanted`` keys; at most ``size`` texts at a time."""
        for segment in self.segments.values():
            for start in range(0, len(segment.keys), size):
                stop = min(start + size, len(segment.keys))
                keys = segment.keys[start:stop]
                if wanted is None:
                    yield keys, segment.rows(start, stop)
                elif chosen := [row for row, key in enumerate(keys) if key in wanted]:
                    rows = segment.rows(start, stop)
                    yield [keys[row] for row in chosen], {name: array[chosen] for name, array in rows.items()}

    def begin(self, model: Mapping[str, str], about: Mapping[str, object], pages: Mapping[str, str]) -> None:
        """Starts an update.

        A new index has the ``pages`` from now on, although their tensors are added later. In an existing index, readers
        see the old pages until `finish`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.model, self.about = dict(model), dict(about)
        self._remove_begun()
        if self.exists() and self.pages == pages:
            self._write_manifest()
            return
        name = self._unused_name(PAGES, [self._pages_file], PAGES_END)
        self._begin_file(name)
        write_json(str(self.path / name), dict(pages))
        self._next_pages = name, checksum((self.path / name).read_bytes()), dict(pages)
        if not self.exists():
            self._switch_pages()
            self._write_manifest()

    def add(self, keys: Sequence[str], batches: Sequence[Rows]) -> None:
        """Adds a segment. When this returns, the index contains it; when this is interrupted, nothing of it.

        Args:
            keys: of the texts.
            batches: the texts' tensors in order; each batch may be padded to another length.

        Raises:
            InputError: a value is not finite.
        """
        arrays = unpadded(batches)
        for tensor, array in arrays.items():
            if not np.isfinite(array).all():
                raise InputError(f"{self.path}: the model's {tensor} has values that are not finite in {array.dtype}")
        name = self._unused_name(SEGMENT, self.segments)
        self._begin_file(name)
        self.segments[name] = write_segment(self.path / name, keys, arrays)
        self._begun.remove(name)
        self._write_manifest()

    def replace_lexical(self, write: Callable[[str], None]) -> None:
        """Writes another lexical part, to which `finish` switches together with the pages.

        Args:
            write: writes the files into the folder that it is given.
        """
        self._next_lexical = self._write_folder(LEXICAL, [self.lexical], write)

    def replace_neighbours(self, old: Collection[str], write: Callable[[str], None] | None = None) -> None:
        """Replaces folders of the nearest-neighbour search; readers see all of the change or nothing.

        Args:
            old: folders that are removed.
            write: writes the files of a new one into the folder that it is given; ``None`` if there is no new one.
        """
        if not old and write is None:
            return
        if write:
            name, checksums = self._write_folder(NEIGHBOURS, self.neighbours, write)
            self.neighbours[name] = checksums
            self._begun.remove(name)
        for name in old:
            del self.neighbours[name]
        self._begun += old
        self._write_manifest()
        if old:
            self._remove_begun()
            self._write_manifest()

    def _write_folder(
        self, prefix: str, used: Iterable[str], write: Callable[[str], None]
    ) -> tuple[str, dict[str, int]]:
        """Writes a folder that the manifest does not name yet; returns its name and its files' checksums."""
        name = self._unused_name(prefix, used)
        self._begin_file(name)
        with temporary.folder(str(self.path)) as staging:
            write(staging)
            outputs.open_to_others(staging)
            os.rename(staging, self.path / name)
        files = list_folder(str(self.path / name))
        return name, {file: file_checksum(self.path / name / file) for file in files}

    def finish(self, wanted: set[str]) -> None:
        """Finishes an update: switches to the pages of `begin` and to the new lexical part, and removes unused rows.

        Args:
            wanted: keys of the texts that are still used. A segment with few of them is rewritten (`LEAST_LIVE`).
        """
        # Copy what is still used out of the segments that are mostly unused.
        removed = []
        for name, segment in list(self.segments.items()):
            live = [row for row, key in enumerate(segment.keys) if key in wanted]
            if len(live) >= LEAST_LIVE * len(segment.keys) and live:
                continue
            if live:
                rows = segment.rows(0, len(segment.keys))
                self.add([segment.keys[row] for row in live], [{name: array[live] for name, array in rows.items()}])
            removed.append(name)

        # Name only the new files in the manifest, and remove the old ones after that.
        for name in removed:
            del self.segments[name]
        self._begun += removed
        self._switch_pages()
        self._switch_lexical()
        self._write_manifest()
        if self._begun:
            self._remove_begun()
            self._write_manifest()

    def _open(self, manifest: Manifest) -> None:
        """Opens the files that a manifest names.

        Raises:
            InputError: one is missing or damaged, or its arrays differ from the others in type or width.
        """
        pages = {}
        if manifest.pages:
            file = self.path / manifest.pages
            pages = read_json(dict[str, str], file, manifest.checksum_of(manifest.pages, self.path))
        segments = {}
        for name in manifest.segments:
            manifest.checksum_of(f"{name}/{KEYS}", self.path)  # Without it the segment would seem an older version's.
            segments[name] = Segment.read(self.path / name, manifest.checksums_in(name))
        layouts = [segment.layout() for segment in segments.values()]
        for name, layout in zip(segments, layouts, strict=True):
            if layout != layouts[0] or any(dtype != manifest.model.get("dtype", dtype) for dtype, _ in layout.values()):
                raise InputError(f"{self.path / name}: its arrays differ in type or width from the others; {FIX}")
        self.model, self.about, self.pages, self.segments = manifest.model, manifest.about, pages, segments
        self.lexical, self.lexical_checksums = manifest.lexical, manifest.checksums_in(manifest.lexical)
        self.neighbours = {name: manifest.checksums_in(name) for name in manifest.neighbours}
        self._pages_file, self._begun = manifest.pages, list(manifest.begun)
        self._pages_sum = (manifest.checksums or {}).get(manifest.pages) or self._sum_of_file(manifest.pages)

    def _write_manifest(self) -> None:
        checksums = {f"{name}/{file}": crc for name, seg in self.segments.items() for file, crc in seg.sums().items()}
        folders = {self.lexical: self.lexical_checksums} | self.neighbours
        checksums |= {f"{name}/{file}": crc for name, sums in folders.items() for file, crc in sums.items()}
        if self._pages_file:
            checksums[self._pages_file] = self._pages_sum
        segments, begun = list(self.segments), list(self._begun)
        neighbours = list(self.neighbours)
        write_manifest(
            self.path,
            Manifest(
                SCHEMA, self.model, self.about, self._pages_file, segments, checksums, self.lexical, neighbours, begun
            ),
        )

    def _begin_file(self, name: str) -> None:
        """Records that a file or folder is being written, so that it is removed if this process is killed."""
        self._begun.append(name)
        self._write_manifest()

    def _switch_pages(self) -> None:
        if self._next_pages:
            self._begun += [self._pages_file] if self._pages_file else []
            self._pages_file, self._pages_sum, self.pages = self._next_pages
            self._begun.remove(self._pages_file)
            self._next_pages = None

    def _switch_lexical(self) -> None:
        if self._next_lexical:
            self._begun += [self.lexical] if self.lexical else []
            self.lexical, self.lexical_checksums = self._next_lexical
            self._begun.remove(self.lexical)
            self._next_lexical = None

    def _remove_begun(self) -> None:
        for name in self._begun:
            remove_tree(str(self.path / name))
        self._begun = []

    def _unused_name(self, prefix: str, used: Iterable[str], end: str = "") -> str:
        """Returns the name after those used; names of other programs' files in the folder are skipped."""
        number = 1 + max([_number(name, prefix) for name in used], default=0)
        while os.path.lexists(self.path / f"{prefix}{number:06d}{end}"):
            number += 1
        return f"{prefix}{number:06d}{end}"

    def _sum_of_file(self, name: str) -> int:
        return checksum((self.path / name).read_bytes()) if name else 0


def _number(name: str, prefix: str) -> int:
    digits = name.removeprefix(prefix).split(".")[0]
    return int(digits) if digits.isdigit() else 0

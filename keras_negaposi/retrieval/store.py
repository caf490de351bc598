"""An index on disk: what the model keeps of each text, memory-mapped, in segments that are never changed.

``manifest.json`` names everything that counts, with checksums, and is replaced in one step; so whatever kills a writer
leaves the index as it was before or after. It also names what is begun or no longer counts, and only that is removed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import is_remote, list_folder, read_text, remove_tree, write_json
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked
from keras_negaposi.retrieval.segment import (
    FIX,
    KEYS,
    LENGTHS,
    MASK,
    Rows,
    Segment,
    checksum,
    is_by_token,
    read_checked,
)
from keras_negaposi.runtime import folder_lock

SCHEMA = 1
MANIFEST = "manifest.json"
SEGMENT, PAGES, PAGES_END = "segment-", "pages-", ".json"
LEAST_LIVE = 0.5
"""A segment is written again without its dead rows when fewer than this share are alive."""
MOST_READS = 20
"""How often a reader begins again, because a writer has replaced the manifest in between."""

PagesFile = Annotated[str, msgspec.Meta(pattern=rf"^({PAGES}[0-9]{{6,12}}\.json)?\Z")]
SegmentFolder = Annotated[str, msgspec.Meta(pattern=rf"^{SEGMENT}[0-9]{{6,12}}\Z")]
Ours = Annotated[str, msgspec.Meta(pattern=rf"^({SEGMENT}[0-9]{{6,12}}|{PAGES}[0-9]{{6,12}}\.json)\Z")]


class Manifest(msgspec.Struct):
    """What `MANIFEST` holds.

    Attributes:
        schema: `SCHEMA`.
        model: see `Store`.
        about: see `Store`.
        pages: file of the pages; empty until it is written for the first time.
        segments: folders, in order.
        checksums: CRC-32 by path in the index; ``None`` in what an older version wrote.
        begun: what is being written, or is to be removed.
    """

    schema: Literal[1]
    model: dict[str, str]
    about: dict[str, Any]
    pages: PagesFile
    segments: list[SegmentFolder]
    checksums: dict[str, int] | None = None
    begun: list[Ours] = []


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
        if is_remote(path):
            raise InputError(f"{path}: an index is memory-mapped; give a local folder")
        self.model: dict[str, str] = {}
        self.about: dict[str, object] = {}
        self.pages: dict[str, str] = {}
        self.segments: dict[str, Segment] = {}
        self._pages_file, self._pages_sum = "", 0
        self._next_pages: tuple[str, int, dict[str, str]] | None = None
        self._begun: list[str] = []
        if (self.path / MANIFEST).exists():
            self._read()
        elif others := [name for name in list_folder(path) if not folder_lock.is_leftover(name)]:
            raise InputError(
                f"{path}: not an index (it has no {MANIFEST}, and holds {quoted(others[0])}); give a new folder"
            )

    def exists(self) -> bool:
        """Whether there is an index."""
        return bool(self._pages_file)

    def named(self, group: str, key: str) -> str:
        """A value of ``model`` or ``about``.

        Raises:
            InputError: the manifest lacks it.
        """
        value = getattr(self, group).get(key)
        if not isinstance(value, str):
            raise InputError(f"{self.path / MANIFEST}: {group}.{key}: missing, or not a string; {FIX}")
        return value

    def keys(self) -> set[str]:
        """Of all texts that are kept."""
        return {key for segment in self.segments.values() for key in segment.keys}

    def bytes(self) -> int:
        """Size of all arrays."""
        return sum(segment.bytes() for segment in self.segments.values())

    def begin(self, model: Mapping[str, str], about: Mapping[str, object], pages: Mapping[str, str]) -> None:
        """Begins to write.

        The pages of a new index are ``pages`` from now on, and their rows may come later. An index that exists keeps
        its own for its readers until `finish`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.model, self.about = dict(model), dict(about)
        self._remove_begun()
        if self.exists() and self.pages == pages:
            self._write_manifest()
            return
        name = self._free(PAGES, [self._pages_file], PAGES_END)
        self._begin_file(name)
        write_json(str(self.path / name), dict(pages))
        self._next_pages = name, checksum((self.path / name).read_bytes()), dict(pages)
        if not self.exists():
            self._take_pages()
            self._write_manifest()

    def add(self, keys: Sequence[str], batches: Sequence[Rows]) -> None:
        """Adds a segment: the index holds it when this returns, and nothing of it when this is interrupted.

        Args:
            keys: of the texts.
            batches: their rows, in order; each may be padded to a length of its own.

        Raises:
            InputError: a number is not finite.
        """
        arrays = _joined(batches)
        for tensor, array in arrays.items():
            if not np.isfinite(array).all():
                raise InputError(f"{self.path}: the model's {tensor} has numbers that are not finite in {array.dtype}")
        name = self._free(SEGMENT, self.segments)
        self._begin_file(name)
        with temporary.folder(str(self.path)) as staging:
            for tensor, array in arrays.items():
                np.save(os.path.join(staging, f"{tensor}.npy"), array)
            write_json(os.path.join(staging, KEYS), list(keys))
            outputs.open_to_others(staging)
            os.rename(staging, self.path / name)
        sums = {f"{tensor}.npy": checksum(array) for tensor, array in arrays.items()}
        sums[KEYS] = checksum((self.path / name / KEYS).read_bytes())
        self.segments[name] = Segment.read(self.path / name, sums)
        self._begun.remove(name)
        self._write_manifest()

    def finish(self, wanted: set[str]) -> None:
        """Makes the pages of `begin` count, and drops the rows of other texts where they are many enough to matter."""
        gone = []
        for name, segment in list(self.segments.items()):
            live = [row for row, key in enumerate(segment.keys) if key in wanted]
            if len(live) >= LEAST_LIVE * len(segment.keys) and live:
                continue
            if live:
                rows = segment.rows(0, len(segment.keys))
                self.add([segment.keys[row] for row in live], [{name: array[live] for name, array in rows.items()}])
            gone.append(name)
        for name in gone:
            del self.segments[name]
        self._begun += gone
        self._take_pages()
        self._write_manifest()
        if self._begun:
            self._remove_begun()
            self._write_manifest()

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
        """Reads what the manifest names; again, if a writer has replaced the manifest and removed something since."""
        path = str(self.path / MANIFEST)
        for _ in range(MOST_READS):
            text = read_text(path)
            content = parse_json(text, path)
            if not isinstance(content, dict) or content.get("schema") != SCHEMA:
                raise InputError(f"{path}: not the manifest of this version's index; give a new folder")
            try:
                return self._take(checked(Manifest, content, path, FIX))
            except InputError as error:
                problem = error
                if read_text(path) == text:
                    break
        raise InputError(f"{self.path}: the index is damaged: {problem}")

    def _take(self, manifest: Manifest) -> None:
        sums, pages = manifest.checksums, {}
        if manifest.pages:
            pages = read_checked(dict[str, str], self.path / manifest.pages, _sum_of(sums, manifest.pages, self.path))
        segments = {}
        for name in manifest.segments:
            own = {path.partition("/")[2]: value for path, value in (sums or {}).items() if path.startswith(f"{name}/")}
            if sums is not None and KEYS not in own:
                raise InputError(f"{self.path / MANIFEST}: checksums: none of {name}; {FIX}")
            segments[name] = Segment.read(self.path / name, own)
        layouts = [segment.layout() for segment in segments.values()]
        for name, layout in zip(segments, layouts, strict=True):
            if layout != layouts[0] or any(dtype != manifest.model.get("dtype", dtype) for dtype, _ in layout.values()):
                raise InputError(f"{self.path / name}: its arrays are of another type or width than the others; {FIX}")
        self.model, self.about, self.pages, self.segments = manifest.model, manifest.about, pages, segments
        self._pages_file, self._begun = manifest.pages, manifest.begun
        self._pages_sum = (sums or {}).get(manifest.pages) or _sum_of_file(self.path, manifest.pages)

    def _write_manifest(self) -> None:
        checksums = {f"{name}/{file}": crc for name, seg in self.segments.items() for file, crc in seg.sums().items()}
        if self._pages_file:
            checksums[self._pages_file] = self._pages_sum
        manifest = {
            "schema": SCHEMA,
            "model": self.model,
            "about": self.about,
            "pages": self._pages_file,
            "segments": list(self.segments),
            "checksums": dict(sorted(checksums.items())),
        }
        write_json(str(self.path / MANIFEST), manifest | ({"begun": self._begun} if self._begun else {}))

    def _begin_file(self, name: str) -> None:
        self._begun.append(name)
        self._write_manifest()

    def _take_pages(self) -> None:
        if self._next_pages:
            self._begun += [self._pages_file] if self._pages_file else []
            self._pages_file, self._pages_sum, self.pages = self._next_pages
            self._begun.remove(self._pages_file)
            self._next_pages = None

    def _remove_begun(self) -> None:
        for name in self._begun:
            remove_tree(str(self.path / name))
        self._begun = []

    def _free(self, prefix: str, used: Iterable[str], end: str = "") -> str:
        """The name after those used, skipping files in the folder that are not ours."""
        number = 1 + max([_number(name, prefix) for name in used], default=0)
        while os.path.lexists(self.path / f"{prefix}{number:06d}{end}"):
            number += 1
        return f"{prefix}{number:06d}{end}"


def _joined(batches: Sequence[Rows]) -> Rows:
    """The arrays of a segment's files: rows of tokens without what pads them, and the texts' lengths then."""
    flat = [
        {n: array[batch[MASK] > 0] if is_by_token(n, array) else array for n, array in batch.items()}
        for batch in batches
    ]
    arrays = {name: np.concatenate([batch[name] for batch in flat]) for name in flat[0] if name != MASK}
    masks = [batch[MASK] for batch in batches if MASK in batch]
    lengths = {Path(LENGTHS).stem: np.concatenate([mask.sum(axis=1) for mask in masks])} if masks else {}
    return arrays | lengths


def _sum_of(checksums: Mapping[str, int] | None, name: str, path: Path) -> int | None:
    if checksums is not None and name not in checksums:
        raise InputError(f"{path / MANIFEST}: checksums: none of {name}; {FIX}")
    return checksums[name] if checksums else None


def _sum_of_file(path: Path, name: str) -> int:
    return checksum((path / name).read_bytes()) if name else 0


def _number(name: str, prefix: str) -> int:
    digits = name.removeprefix(prefix).split(".")[0]
    return int(digits) if digits.isdigit() else 0


def in_order(keys: Iterable[str], lengths: Mapping[str, int]) -> list[str]:
    """Keys by the length of their texts, so that similar lengths are encoded and kept together."""
    return sorted(keys, key=lambda key: (lengths[key], key))

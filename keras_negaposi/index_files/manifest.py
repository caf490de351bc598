"""``manifest.json``: names every file that belongs to an index, with its checksum.

A writer never changes a file that the manifest names. It writes new files first and then replaces the manifest in one
step, so that the index is always in the state before or after, even if the writer is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_text, write_json
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked
from keras_negaposi.index_files.checked_files import FIX

T = TypeVar("T")

SCHEMA: Literal[1] = 1
MANIFEST = "manifest.json"
SEGMENT, PAGES, PAGES_END, LEXICAL, NEIGHBOURS = "segment-", "pages-", ".json", "lexical-", "neighbours-"
MOST_READS = 20
"""How often a reader starts again because a writer has replaced the manifest in the meantime."""

PagesFile = Annotated[str, msgspec.Meta(pattern=rf"^({PAGES}[0-9]{{6,12}}\.json)?\Z")]
SegmentFolder = Annotated[str, msgspec.Meta(pattern=rf"^{SEGMENT}[0-9]{{6,12}}\Z")]
LexicalFolder = Annotated[str, msgspec.Meta(pattern=rf"^({LEXICAL}[0-9]{{6,12}})?\Z")]
NeighboursFolder = Annotated[str, msgspec.Meta(pattern=rf"^{NEIGHBOURS}[0-9]{{6,12}}\Z")]
OwnFile = Annotated[
    str,
    msgspec.Meta(pattern=rf"^(({SEGMENT}|{LEXICAL}|{NEIGHBOURS})[0-9]{{6,12}}|{PAGES}[0-9]{{6,12}}\.json)\Z"),
]


class Manifest(msgspec.Struct):
    """The content of `MANIFEST`.

    Attributes:
        schema: `SCHEMA`.
        model: see `store.Store`.
        about: see `store.Store`.
        pages: file of the pages; empty until one has been written.
        segments: their folders, in order.
        checksums: CRC-32 by path within the index; ``None`` if an older version wrote the index.
        lexical: folder of the lexical part, see `lexical_part`; empty if there is none.
        neighbours: folders of the nearest-neighbour search, see `vector_shards`; none if it compares all vectors.
        begun: files and folders that are being written or are to be removed. Only these are ever removed.
    """

    schema: Literal[1]
    model: dict[str, str]
    about: dict[str, Any]
    pages: PagesFile
    segments: list[SegmentFolder]
    checksums: dict[str, int] | None = None
    lexical: LexicalFolder = ""
    neighbours: list[NeighboursFolder] = []
    begun: list[OwnFile] = []

    def checksum_of(self, name: str, folder: Path) -> int | None:
        """Returns a file's checksum, or ``None`` if there are no checksums at all.

        Raises:
            InputError: only this file has none.
        """
        if self.checksums is None:
            return None
        if name not in self.checksums:
            raise InputError(f"{folder / MANIFEST}: checksums: missing for {name}; {FIX}")
        return self.checksums[name]

    def checksums_in(self, folder: str) -> dict[str, int]:
        """Returns the checksums of the files in one of the index's folders by file name."""
        paths = (self.checksums or {}).items()
        return {path.partition("/")[2]: value for path, value in paths if path.startswith(f"{folder}/")}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replaces the manifest in one step."""
    content = msgspec.structs.asdict(manifest) | {"checksums": dict(sorted((manifest.checksums or {}).items()))}
    for name in ("lexical", "neighbours", "begun"):
        if not content[name]:
            del content[name]
    write_json(str(folder / MANIFEST), content)


def read_manifest(folder: Path, open_files: Callable[[Manifest], T]) -> T:
    """Reads the manifest and opens the files that it names.

    If that fails because a writer has replaced the manifest and removed a file in the meantime, starts again.

    Args:
        folder: of the index.
        open_files: opens the files; raises `InputError` if one is missing or damaged.

    Raises:
        InputError: another version wrote the manifest, or a file is missing or damaged.
    """
    path = str(folder / MANIFEST)
    for _ in range(MOST_READS):
        text = read_text(path)
        content = parse_json(text, path)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise InputError(f"{path}: not the manifest of an index of this version; give a new folder")
        try:
            return open_files(checked(Manifest, content, path, FIX))
        except InputError as error:
            problem = error
            if read_text(path) == text:
                break
    raise InputError(f"{folder}: the index is damaged: {problem}")

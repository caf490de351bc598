"""Reads the labelled pairs that options name, and writes those of a table as the two JSON files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from checkpoints_tools.common.files import read_digest, write_blocks
from keras_negaposi.config.pair_source import JSON_FILES, PairSource, column_names
from keras_negaposi.data.pairs import PairData, read_pairs
from keras_negaposi.readers.labelled_rows import read_pair_table

_encode = json.JSONEncoder(ensure_ascii=False).encode


def read_source(source: PairSource) -> PairData:
    """Reads and checks the pairs of the two JSON files or, where none is named, of the table.

    Raises:
        InputError: a file is invalid; names the file and the place.
    """
    if source.honbun is None and source.pairs is not None:
        return read_pair_table(source.pairs, column_names(source.columns))
    return read_pairs(source.honbun, source.negaposi)


def source_digests(source: PairSource, data: PairData | None = None) -> dict[str, bytes]:
    """Returns the SHA-256 of the two JSON files by option, also before `write_source` has written them.

    Args:
        source: names the files.
        data: what `read_source` returned; not needed for JSON files.
    """
    if source.honbun is None and data is not None:
        return {name: _digest(blocks) for name, blocks in _json_files(data).items()}
    return {name: read_digest(getattr(source, name)) for name in JSON_FILES}


def write_source(data: PairData, paths: dict[str, str]) -> None:
    """Writes the pairs of a table as JSON files that `read_source` reads equally.

    Args:
        data: the pairs.
        paths: the files by option.
    """
    for name, blocks in _json_files(data).items():
        write_blocks(paths[name], blocks)


def _json_files(data: PairData) -> dict[str, Iterator[bytes]]:
    texts = (f"{_encode(title)}: {_encode(text)}" for title, text in data.texts.items())
    pairs = (_encode([pair.a, pair.b, pair.label]) for pair in data.pairs)
    return dict(zip(JSON_FILES, (_lines("{", texts, "}"), _lines("[", pairs, "]")), strict=True))


def _lines(begin: str, items: Iterator[str], end: str) -> Iterator[bytes]:
    """Yields JSON with one item per line."""
    for number, item in enumerate(items):
        yield f"{',' if number else begin}\n {item}".encode()
    yield f"\n{end}\n".encode()


def _digest(blocks: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.digest()

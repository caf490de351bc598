"""Checks the ``.index`` file of a TensorFlow checkpoint before TensorFlow reads it.

TensorFlow aborts the process or allocates all memory if an index has invalid sizes, so every index is checked first.
The file is a table of sorted keys (LevelDB's format): blocks of rows, an index block with the positions of the blocks,
and a footer. The value of a key is a ``BundleEntryProto``, which locates a tensor in the ``.data`` files.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
from collections.abc import Iterator

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.formats.base import shown

_FOOTER, _MAGIC, _TRAILER = 48, struct.pack("<Q", 0xDB4775248B80FB57), 5
_CRC, _LONGEST_VARINT = 4, 10
_NOT_NUMERIC = (tf.string, tf.variant, tf.resource)
_MOST_DIMENSIONS = 254
_LARGEST = 2**62
_PART = "\0"
"""The keys of a partitioned tensor's parts start with this character."""
_MOST_SHARED = 64
"""Largest ratio of key bytes to file bytes. Keys share prefixes, so a small file could expand to endless keys."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """The element type and shape of a tensor, and the bytes of a ``.data`` file that hold it."""

    dtype: tf.DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    is_partitioned: bool

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


class Bundle:
    """The entries of a checkpoint by name.

    Args:
        prefix: the prefix of the checkpoint.

    Raises:
        InputError: the ``.index`` file is damaged, or an entry is invalid.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._file = f"{prefix}.index"
        entries: dict[str, Entry] = {}
        try:
            rows = dict(_rows(read_bytes(self._file)))
            header = BundleHeaderProto.FromString(rows.pop(b""))
            self._shards = header.num_shards
            for key, value in rows.items():
                entries[key.decode("utf-8", "surrogateescape")] = _entry(
                    BundleEntryProto.FromString(value), self._shards
                )
        except (IndexError, KeyError, ValueError, DecodeError) as error:
            reason = str(error) if type(error) is ValueError else "not a table of tensors"
            raise InputError(f"{self._file}: not a readable checkpoint ({reason}); copy it again") from None
        self.entries = {name: entry for name, entry in entries.items() if not name.startswith(_PART)}
        self._parts = {name: entry for name, entry in entries.items() if name.startswith(_PART)}

    def check(self, name: str) -> None:
        """Checks that a tensor's data is complete; TensorFlow checks its checksum when it reads it.

        Raises:
            InputError: the ``.data`` file is missing or too short, or the tensor is neither numeric nor one string.
        """
        entry = self.entries[name]
        if entry.dtype in _NOT_NUMERIC and (entry.dtype != tf.string or entry.shape or entry.is_partitioned):
            raise InputError(f"{self._file}: {shown(name)} is {entry.dtype.name}, which holds no weights")
        for part in self._parts.values() if entry.is_partitioned else [entry]:
            file = self.data_file(part.shard)
            stop, length = part.offset + part.size, self._length(file)
            if stop > length:
                raise InputError(
                    f"{file}: truncated; {shown(name)} should end at byte {stop:,}, but the file has only {length:,}; "
                    "copy the checkpoint again"
                )
        if entry.is_partitioned and entry.elements > sum(part.elements for part in self._parts.values()):
            raise InputError(f"{self._file}: parts of {shown(name)} are missing; copy the checkpoint again")
        if entry.dtype == tf.string and not self._is_string(entry):
            file = self.data_file(entry.shard)
            raise InputError(f"{file}: {shown(name)} is damaged; copy the checkpoint again")

    def data_file(self, shard: int) -> str:
        """Returns the path of a ``.data`` file."""
        return f"{self._prefix}.data-{shard:05d}-of-{self._shards:05d}"

    @functools.cache  # noqa: B019 - lives as long as the reader
    def _length(self, file: str) -> int:
        """Returns the size of a file in bytes."""
        try:
            return tf.io.gfile.stat(file).length
        except tf.errors.OpError:
            raise InputError(f"{file}: cannot be read; copy the checkpoint again") from None

    def _is_string(self, entry: Entry) -> bool:
        """Returns whether the entry's bytes are a length, the length's checksum and that many bytes."""
        with tf.io.gfile.GFile(self.data_file(entry.shard), "rb") as file:
            file.seek(entry.offset)
            content = file.read(min(entry.size, _LONGEST_VARINT))
        try:
            length, at = _varint(content, 0)
        except (IndexError, ValueError):
            return False
        return at + _CRC + length == entry.size


def _rows(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a table.

    Raises:
        ValueError, IndexError: the table is damaged.
    """
    if len(table) < _FOOTER or not table.endswith(_MAGIC):
        raise ValueError("the footer is missing")
    footer = table[-_FOOTER:]
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    blocks, keys = 0, 0
    for _, handle in _block(table, *index):
        (offset, size), _ = _handle(handle, 0)
        blocks += size
        for key, value in _block(table, offset, size):
            keys += len(key)
            if max(blocks, keys // _MOST_SHARED) > len(table):
                raise ValueError("its blocks overlap, or its keys are too long")
            yield key, value


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the rows of a block.

    A key is stored as the length of the prefix that it shares with the previous one, and the rest.
    """
    if offset + size + _TRAILER > len(table):
        raise ValueError("a block is outside of the file")
    if table[offset + size]:
        raise ValueError("a block is compressed, which TensorFlow does not write")
    # The block ends with the positions of its restarts and their number.
    block = table[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0] if size >= 4 else 0
    stop = size - 4 * (restarts + 1)
    if stop < 0:
        raise ValueError("a block is truncated")
    at, key = 0, b""
    while at < stop:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > stop:
            raise ValueError("a row is outside of its block")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Returns ((offset, size) of a block, position after it)."""
    offset, at = _varint(content, at)
    size, at = _varint(content, at)
    return (offset, size), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Returns (number, position after it); each byte holds 7 bits."""
    number = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("a number is too long")


def _entry(raw: BundleEntryProto, shards: int) -> Entry:
    """Checks a raw entry and converts it.

    Raises:
        ValueError: the entry is invalid.
    """
    try:
        dtype = tf.dtypes.as_dtype(raw.dtype)
    except (TypeError, KeyError):
        raise ValueError(f"element type {raw.dtype} is unknown") from None
    shape = tuple(dimension.size for dimension in raw.shape.dim)
    elements = math.prod(shape) if len(shape) <= _MOST_DIMENSIONS else _LARGEST
    if raw.shape.unknown_rank or min(shape, default=0) < 0 or max(elements, *shape, 0) * (dtype.size or 1) >= _LARGEST:
        raise ValueError(f"the shape {quoted(list(shape))} is invalid")
    if not 0 <= raw.shard_id < shards or not 0 <= raw.offset < _LARGEST or not 0 <= raw.size < _LARGEST:
        raise ValueError("a tensor is outside of the files")
    parts = [tuple((extent.start, extent.length) for extent in part.extent) for part in raw.slices]
    if len(set(parts)) < len(parts) or not all(_is_within(part, shape) for part in parts):
        raise ValueError("parts of a tensor overlap, or are outside of it")
    if dtype not in _NOT_NUMERIC and not raw.slices and elements * dtype.size != raw.size:
        raise ValueError(f"{raw.size:,} bytes for the shape {quoted(list(shape))} of {dtype.name}")
    return Entry(dtype, shape, raw.shard_id, raw.offset, raw.size, bool(raw.slices))


def _is_within(part: tuple[tuple[int, int], ...], shape: tuple[int, ...]) -> bool:
    """Returns whether a part, given as (start, length) of each dimension, is within a tensor."""
    return len(part) == len(shape) and all(
        0 <= start and 0 <= length and start + length <= size for (start, length), size in zip(part, shape, strict=True)
    )

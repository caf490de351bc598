"""Reads the files of an index and compares them with their checksums, so that damage is reported by file name."""

from __future__ import annotations

import json
import mmap
import re
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

FIX = "build the index again in another folder"
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""JSON can contain half a surrogate pair, which is not text; we never write one."""
_READING_HEADER = threading.Lock()
"""Held while NumPy parses a header with ``ast``: Python 3.11 counts its recursion depth for all threads together
(https://github.com/python/cpython/issues/106905), so that parallel readers could exceed the limit."""


def checksum(content: bytes | np.ndarray) -> int:
    """Returns the CRC-32 of a file's content, or of an array's values."""
    return zlib.crc32(content if isinstance(content, bytes) else np.ascontiguousarray(content).data)


def file_checksum(file: Path) -> int:
    """Returns the CRC-32 of a file's content; of a ``.npy`` file, of its array's values."""
    return checksum(map_array(file) if file.suffix == ".npy" else read_bytes(str(file)))


def check_array(file: Path, array: np.ndarray, checksums: Mapping[str, int]) -> None:
    """Compares an array with its file's checksum; does nothing if there are no checksums at all.

    Raises:
        InputError: they differ, or this file has no checksum.
    """
    if checksums and checksum(array) != checksums.get(file.name):
        raise _differs(file)


def read_checked(file: Path, checksums: Mapping[str, int]) -> bytes:
    """Returns the content of a file that must have a checksum.

    Raises:
        InputError: it cannot be read, its checksum differs, or it has none.
    """
    content = read_bytes(str(file))
    if checksum(content) != checksums.get(file.name):
        raise _differs(file)
    return content


def read_json(schema: Any, file: Path, expected: int | None) -> Any:  # noqa: ANN401
    """Reads a JSON file as ``schema``.

    Raises:
        InputError: it cannot be read, its checksum is not ``expected``, or its content does not fit the schema.
    """
    content = read_bytes(str(file))
    if expected is not None and checksum(content) != expected:
        raise _differs(file)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; {FIX}") from None
    value = parse_json(text, str(file))
    if _ESCAPED_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(f"{file}: contains half a surrogate pair; {FIX}") from None
    return checked(schema, value, str(file), FIX)


def map_array(file: Path) -> np.ndarray:
    """Memory-maps a ``.npy`` file, read-only.

    Raises:
        InputError: there is no such file, or it is not an array.
    """
    try:
        with _READING_HEADER:
            return np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError:
        raise InputError(f"{file}: file not found; {FIX}") from None
    except Exception as error:  # A damaged header can make NumPy raise anything.
        raise InputError(f"{file}: not an array ({str(error):.80}); {FIX}") from None


def release(array: np.ndarray) -> None:
    """Gives back the memory of what was read of a memory-mapped array; the system still has it in its cache."""
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)


def _differs(file: Path) -> InputError:
    return InputError(f"{file}: its checksum differs from the one in the manifest; {FIX}")

"""Reads the tensors of a ``pytorch_model.bin``, one by one.

Both formats are read: zip archives (since PyTorch 1.6), and before them, several pickles followed by the numbers.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import IO

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.formats.base import Variable, reason_of, shown
from checkpoints_tools.formats.torch_pickle import Interpreter, Tensor

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
"""The first two pickles of the older format."""
_LARGEST_PICKLE = 2**26
"""Bytes of the names and shapes of all tensors."""


class TorchFile:
    """The tensors of a file; each is read on request.

    Args:
        path: the file.

    Raises:
        InputError: it is missing, damaged, or more than a dict of tensors.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._in_zip: str | None = None
        try:
            with open(path, "rb") as file:
                content = self._zipped(file) if zipfile.is_zipfile(file) else self._sequential(file)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; give a Hugging Face folder") from None
        except Exception as error:  # damage can raise anything
            reason = reason_of(error) or type(error).__name__
            raise InputError(
                f"{path}: not a readable file of PyTorch's tensors ({reason}); copy it again, or save it as "
                "safetensors (save_pretrained)"
            ) from None
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            raise InputError(f"{path}: not a dict of tensors; save it as safetensors (save_pretrained)")
        self._tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}

    @property
    def variables(self) -> dict[str, Variable]:
        """Shape and element type by the file's own names."""
        return {name: Variable(each.shape, each.storage.dtype.name) for name, each in self._tensors.items()}

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor.

        Raises:
            InputError: its numbers are missing or damaged.
        """
        tensor = self._tensors[name]
        storage = tensor.storage
        size = storage.count * storage.dtype.itemsize
        try:
            if self._in_zip is not None:
                with zipfile.ZipFile(self._path) as archive:
                    entry = archive.getinfo(f"{self._in_zip}data/{storage.key}")
                    if entry.file_size != size or entry.compress_type != zipfile.ZIP_STORED:
                        raise ValueError("another size than its names say")
                    content = archive.read(entry)
            else:
                with open(self._path, "rb") as file:
                    file.seek(self._places[storage.key])
                    content = file.read(size)
            return tensor.of(np.frombuffer(content, storage.dtype, storage.count))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path}: {shown(name)} cannot be read; copy it again: {reason_of(error)}") from None

    def _zipped(self, file: IO[bytes]) -> object:
        """Reads the names of an archive."""
        with zipfile.ZipFile(file) as archive:
            entry = next(entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
            self._in_zip = entry.filename.removesuffix("data.pkl")
            if (
                f"{self._in_zip}byteorder" in archive.namelist()
                and archive.read(f"{self._in_zip}byteorder") != b"little"
            ):
                raise ValueError("its numbers are big-endian")
            if entry.file_size > _LARGEST_PICKLE:
                raise ValueError("too many names")
            return Interpreter().load(io.BytesIO(archive.read(entry)))

    def _sequential(self, file: IO[bytes]) -> object:
        """Reads the names of the older format, and where the numbers of each storage begin."""
        file.seek(0)
        pickles = Interpreter()
        magic, version, system, content, keys = (pickles.load(file) for _ in range(5))
        if (magic, version) != (_MAGIC, _VERSION) or not isinstance(system, dict) or not isinstance(keys, list):
            raise ValueError("another format")
        if not system.get("little_endian"):
            raise ValueError("its numbers are big-endian")
        end = os.fstat(file.fileno()).st_size
        for key in keys:
            count, storage = int.from_bytes(file.read(8), "little"), pickles.storages[key]
            self._places[key] = file.tell()
            if count != storage.count or file.seek(count * storage.dtype.itemsize, os.SEEK_CUR) > end:
                raise ValueError("it is cut short")
        return content

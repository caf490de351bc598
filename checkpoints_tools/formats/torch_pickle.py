"""Interprets the pickles in PyTorch's files, without PyTorch and without running what they say.

A pickle is a program. Only the few instructions are followed that ``torch.save`` needs for a dict of tensors, and only
the functions below are called; everything else is rejected, as by PyTorch's ``weights_only``.
"""

from __future__ import annotations

import dataclasses
import math
import pickletools
from collections.abc import Callable
from typing import IO, Any, cast

import ml_dtypes
import numpy as np

from checkpoints_tools.formats.base import shown

_DTYPES = {
    "Double": np.dtype(np.float64),
    "Float": np.dtype(np.float32),
    "Half": np.dtype(np.float16),
    "BFloat16": np.dtype(ml_dtypes.bfloat16),
    "Long": np.dtype(np.int64),
    "Int": np.dtype(np.int32),
    "Short": np.dtype(np.int16),
    "Char": np.dtype(np.int8),
    "Byte": np.dtype(np.uint8),
    "Bool": np.dtype(np.bool_),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE")
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclasses.dataclass(frozen=True)
class Storage:
    """Numbers that tensors are views of."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view of a storage; all numbers count elements."""

    storage: Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.start, *self.shape, *self.strides)
        if not isinstance(self.storage, Storage) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise ValueError("a tensor without a shape")
        last = self.start + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if 0 not in self.shape and max(last + 1, math.prod(self.shape)) > self.storage.count:
            raise ValueError("a tensor that is larger than its storage")

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the tensor, given all numbers of its storage."""
        strides = tuple(step * numbers.itemsize for step in self.strides)
        view = np.lib.stride_tricks.as_strided(numbers[self.start :], self.shape, strides, writeable=False)
        return np.ascontiguousarray(view).reshape(self.shape)


def _tensor(storage: Storage, start: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> Tensor:
    return Tensor(storage, start, tuple(shape), tuple(strides))


def _parameter(data: object, *_: object) -> object:
    return data


def _names() -> dict[str, object]:
    return {}


_CALLED: dict[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): _names,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}
"""What a file may call, and what is called instead."""


class Interpreter:
    """Interprets pickles that hold tensors, names and numbers.

    Attributes:
        storages: those that the pickles refer to, by key.
    """

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def load(self, file: IO[bytes]) -> object:
        """Returns the content of the next pickle in the file.

        Raises:
            ValueError: it is damaged, or holds an instruction that is not interpreted. Damage can raise other types.
        """
        stack: list[Any] = []
        marks: list[int] = []
        memo: dict[int, object] = {}

        def since_mark() -> list[Any]:
            start = marks.pop()
            items = stack[start:]
            del stack[start:]
            return items

        for instruction, argument, _ in pickletools.genops(file):
            name, given = instruction.name, cast("Any", argument)
            if name in _LITERALS:
                stack.append(given)
            elif name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
            elif name in ("BINPUT", "LONG_BINPUT"):
                memo[given] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[given])
            elif name == "MARK":
                marks.append(len(stack))
            elif name == "TUPLE":
                stack.append(tuple(since_mark()))
            elif name == "EMPTY_LIST":
                stack.append([])
            elif name == "EMPTY_DICT":
                stack.append({})
            elif name in ("APPEND", "APPENDS"):
                items = since_mark() if name == "APPENDS" else [stack.pop()]
                stack[-1].extend(items)
            elif name in ("SETITEM", "SETITEMS"):
                items = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                if not all(isinstance(key, str) for key in items[::2]):  # a nested tuple could take years to hash
                    raise ValueError("a key that is no name")
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            elif name == "GLOBAL":
                stack.append(_stand_in(*given.split(" ", 1)))
            elif name == "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_called(function, arguments))
            elif name == "BINPERSID":
                storage = _storage(*stack.pop())
                stack.append(self.storages.setdefault(storage.key, storage))
            elif name == "BUILD":
                stack.pop()  # the versions of the modules
            elif name == "STOP":
                return stack.pop()
            elif name != "PROTO":
                raise ValueError(f"it is more than a dict of tensors: {name}")
        raise ValueError("it is cut short")


def _stand_in(module: str, name: str) -> object:
    """Returns what stands for a global name: a function of `_CALLED`, or an element type."""
    if (module, name) in _CALLED:
        return _CALLED[module, name]
    kind = name.removesuffix("Storage")
    if module == "torch" and kind != name and kind in _DTYPES:
        return _DTYPES[kind]
    raise ValueError(f"it would call {shown(f'{module}.{name}')}")


def _called(function: object, arguments: tuple[object, ...]) -> object:
    for known in _CALLED.values():
        if function is known:
            return known(*arguments)
    raise ValueError("it would call something else")


def _storage(kind: object, dtype: object, key: object, device: object, count: object, *view: object) -> Storage:
    """Returns what a pickle refers to; the older format may add a view of the storage, which is None as a rule."""
    if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str) or any(view):
        raise ValueError("a storage of an unknown kind")
    if not isinstance(count, int) or count < 0:
        raise ValueError("a storage without a size")
    return Storage(key, dtype, count)

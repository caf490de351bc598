"""Inputs as the bytes of ``tf.train.Example``: https://protobuf.dev/programming-guides/encoding.

A text is in many pairs. Its pieces are turned into bytes once, and a pair's inputs are laid out of those.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.input_pipeline.token_spans import Parts
from keras_negaposi.input_pipeline.tokenizer import PADDING_ID

# The fields that a list of numbers lies in, with their tags: number * 8 + 2, for what begins with its length.
_VALUE = b"\x0a"  # Int64List.value = 1
_INT64_LIST = b"\x1a"  # Feature.int64_list = 3
_KEY, _ENTRY = b"\x0a", b"\x12"  # of Features.feature, a map
_FEATURE = b"\x0a"  # Features.feature = 1
_FEATURES = b"\x0a"  # Example.features = 1


@dataclasses.dataclass(frozen=True)
class Varints:
    """Numbers as protobuf packs them: seven bits a byte, the lowest first, the high bit where more follow.

    Attributes:
        data: the bytes of all.
        places: where each begins there, and the end: ``int [numbers + 1]``.
    """

    data: bytes
    places: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> Varints:
        """Of ``int [numbers]``."""
        if numbers.min(initial=0) < 0:
            numbers = numbers.astype(np.int64).view(np.uint64)
        groups = max(1, -(-int(numbers.max(initial=0)).bit_length() // 7))
        found = np.empty([len(numbers), groups], np.uint8)
        used = np.ones([len(numbers), groups], bool)
        sizes = np.ones(len(numbers), np.int64)
        left = numbers
        for group in range(groups):
            found[:, group] = left & 0x7F
            left = left >> 7
            if group + 1 < groups:
                more = left > 0
                found[:, group] |= more.view(np.uint8) << 7
                used[:, group + 1] = more
                sizes += more
        return cls(found[used].tobytes(), np.append(0, np.cumsum(sizes)))

    def stretches(self, starts: np.ndarray, sizes: np.ndarray) -> list[bytes]:
        """The bytes of ``sizes`` numbers from ``starts`` on, ``int [rows]`` each."""
        ends = self.places[starts + sizes].tolist()
        return [self.data[start:end] for start, end in zip(self.places[starts].tolist(), ends, strict=True)]

    def each(self) -> list[bytes]:
        """The bytes of every number."""
        return [self.data[start:end] for start, end in itertools.pairwise(self.places.tolist())]


def lay_out(
    ids: Varints, parts: Parts, cls_id: int, sep_id: int, max_seq_length: int
) -> tuple[dict[str, list[bytes]], np.ndarray]:
    """`token_spans.lay_out` in bytes.

    Args:
        ids: those of the parts.
        parts: what the inputs are laid out of.
        cls_id: of ``[CLS]``.
        sep_id: of ``[SEP]``.
        max_seq_length: length of an input in pieces.

    Returns:
        Each row's numbers by encoder input, and its length before padding, ``int [batch]``.
    """
    cls, sep = Varints.of(np.array([cls_id, sep_id])).each()
    sizes = [np.asarray(part.sizes) for _, part in parts]
    texts = [ids.stretches(np.asarray(part.starts), size) for (_, part), size in zip(parts, sizes, strict=True)]
    ends = 1 + np.cumsum([size + 1 for size in sizes], axis=0)
    types = [
        [bytes([type_id]) * n for n in run.tolist()]
        for (type_id, _), run in zip(parts, np.diff(ends, axis=0, prepend=0), strict=True)
    ]
    columns = (
        [cls + sep.join(row) + sep for row in zip(*texts, strict=True)],
        [b"\1" * n for n in ends[-1].tolist()],
        [b"".join(row) for row in zip(*types, strict=True)],
    )
    padding = [bytes([PADDING_ID]) * n for n in (max_seq_length - ends[-1]).tolist()]
    padded = ([row + rest for row, rest in zip(column, padding, strict=True)] for column in columns)
    return dict(zip(ENCODER_INPUTS, padded, strict=True)), ends[-1]


def serialize(columns: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """Examples of features, each row's numbers packed.

    The bytes are those of protobuf's own deterministic serialization.
    """
    features = [[_before(name, len(numbers)) + numbers for numbers in columns[name]] for name in sorted(columns)]
    return [_FEATURES + _varint(len(row)) + row for row in map(b"".join, zip(*features, strict=True))]


@functools.lru_cache(maxsize=4096)
def _before(name: str, size: int) -> bytes:
    """All that comes before a feature's ``size`` bytes: the messages around them all end with them."""
    key = name.encode()
    around = _VALUE + _varint(size) if size else b""
    around = _INT64_LIST + _varint(len(around) + size) + around
    around = _KEY + _varint(len(key)) + key + _ENTRY + _varint(len(around) + size) + around
    return _FEATURE + _varint(len(around) + size) + around


@functools.lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    return Varints.of(np.array([number])).data

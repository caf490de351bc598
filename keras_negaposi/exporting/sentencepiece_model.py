"""Reads a SentencePiece model's file: the pieces with their scores, and how texts are normalized.

The package sentencepiece contains generated code for this file, but that code demands a newer protobuf than TensorFlow
accepts. So the few fields that are needed are described here, with the numbers of ``sentencepiece_model.proto``.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes

UNIGRAM = 1
"""Value of ``trainer_spec.model_type``."""
NORMAL, USER_DEFINED = 1, 4
"""Values of a piece's ``type``."""
_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "keras_negaposi.sentencepiece"
_MESSAGES: dict[str, list[tuple[str, int, Any, str | None]]] = {
    "Piece": [
        ("piece", 1, _FIELD.TYPE_STRING, None),
        ("score", 2, _FIELD.TYPE_FLOAT, None),
        ("type", 3, _FIELD.TYPE_INT32, "1"),
    ],
    "TrainerSpec": [
        ("model_type", 3, _FIELD.TYPE_INT32, "1"),
        ("treat_whitespace_as_suffix", 24, _FIELD.TYPE_BOOL, None),
        ("byte_fallback", 35, _FIELD.TYPE_BOOL, None),
    ],
    "NormalizerSpec": [
        ("name", 1, _FIELD.TYPE_STRING, None),
        ("precompiled_charsmap", 2, _FIELD.TYPE_BYTES, None),
        ("add_dummy_prefix", 3, _FIELD.TYPE_BOOL, "true"),
        ("remove_extra_whitespaces", 4, _FIELD.TYPE_BOOL, "true"),
        ("escape_whitespaces", 5, _FIELD.TYPE_BOOL, "true"),
    ],
    "Model": [
        ("pieces", 1, "Piece", None),
        ("trainer_spec", 2, "TrainerSpec", None),
        ("normalizer_spec", 3, "NormalizerSpec", None),
    ],
}
"""Message -> (name, number, type, default) of its fields."""


def read_model(path: str) -> Any:  # noqa: ANN401 - the class is made at run time
    """Returns the message of a SentencePiece model with the fields of `_MESSAGES`.

    Raises:
        InputError: the file cannot be read or is not a SentencePiece model.
    """
    try:
        model = _model_class().FromString(read_bytes(path))
    except DecodeError:
        model = None
    if model is None or not model.pieces:
        raise InputError(f"{path}: not a SentencePiece model; restore the file from a copy")
    return model


@functools.cache
def _model_class() -> Any:  # noqa: ANN401
    """Returns the class of the message ``Model``."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, default in fields:
            field = described.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
            if default is not None:
                field.default_value = default
            if isinstance(kind, int):
                field.type = kind  # type: ignore[assignment]
            else:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            if name == "pieces":
                field.label = _FIELD.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))

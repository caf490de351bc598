"""BERT configurations: ``bert_config.json``, bert-japanese's ``config.ini`` and Hugging Face's ``config.json``."""

from __future__ import annotations

import configparser
import dataclasses
import re
from typing import Any

from checkpoints_tools.common.errors import InputError, quoted, shortened
from checkpoints_tools.common.files import read_text
from checkpoints_tools.common.json_text import parse_json

FORMATS = ("tf1", "tf2", "huggingface")
"""The formats that `conversion.convert` writes."""
CONFIG_NAMES = ("bert_config.json", "config.ini", "config.json")
"""The file names of a config in a checkpoint's folder, in order of preference."""
INI_SECTION = "BERT-CONFIG"
"""bert-japanese has no bert_config.json; this section of its ``config.ini`` has the same keys."""
MOST_LAYERS = 1_000
LARGEST_SIZE = 10_000_000
"""Upper bounds for the layers, and for every other integer (vocabulary, width, length).

No BERT comes close, and a loop over this many items still ends.
"""
_LONGEST_REASON = 200


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The fields of google-research/bert's ``BertConfig``, and two in which Hugging Face's BERTs can differ.

    Unknown keys of a config file are ignored, as in google-research/bert.
    """

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 16
    initializer_range: float = 0.02
    gelu_approximate: bool = True
    """Whether gelu is the tanh approximation, as in google-research/bert. Hugging Face's "gelu" is exact."""
    layer_norm_eps: float = 1e-12

    @classmethod
    def from_file(cls, path: str) -> BertConfig:
        """Reads google-research/bert's JSON, Hugging Face's, or an ``.ini`` with a ``[BERT-CONFIG]`` section.

        Raises:
            InputError: the file is missing or has another format, or a value is missing, has another type or is out of
                range.
        """
        text = read_text(path)
        return cls.from_values(_parse_ini(text, path) if _is_ini(text) else _parse_json(text, path), path)

    @classmethod
    def from_values(cls, values: dict[str, object], where: str) -> BertConfig:
        """Builds the config from raw values, which are strings if they come from an ``.ini``.

        Args:
            values: the values by key.
            where: the file that error messages name.

        Raises:
            InputError: a value is missing, of another type or out of range, or the model is not a supported BERT.
        """
        if "vocab_size" not in values:
            raise InputError(f"{where}: vocab_size is missing; add the number of pieces in the .vocab file")
        if "model_type" in values:
            values = _from_huggingface(values, where)
        known: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if field.name in values:
                known[field.name] = _convert(values[field.name], str(field.type), f"{where}: {field.name}")
        config = cls(**known)
        if config.hidden_size % config.num_attention_heads:
            raise InputError(
                f"{where}: hidden_size {config.hidden_size} is not a multiple of "
                f"num_attention_heads {config.num_attention_heads}; correct one of them"
            )
        if config.hidden_act != "gelu":
            raise InputError(
                f'{where}: hidden_act {quoted(config.hidden_act)} is not supported; only "gelu" is supported'
            )
        return config

    def to_google(self) -> dict[str, object]:
        """Returns the content of ``bert_config.json``.

        The two fields that google-research/bert does not have are included only where they differ from its constants.
        """
        values = dataclasses.asdict(self)
        for field in dataclasses.fields(self)[-2:]:
            if values[field.name] == field.default:
                del values[field.name]
        return values

    def to_huggingface(self, architecture: str) -> dict[str, object]:
        """Returns the content of Hugging Face's ``config.json``.

        Args:
            architecture: Hugging Face's class, such as ``BertModel`` or ``BertForSequenceClassification``.
        """
        values = dataclasses.asdict(self)
        approximate = values.pop("gelu_approximate")
        return values | {
            "hidden_act": "gelu_new" if approximate else "gelu",
            "architectures": [architecture],
            "model_type": "bert",
            "pad_token_id": 0,
            "torch_dtype": "float32",
        }


_GELUS = {"gelu": False, "gelu_new": True, "gelu_pytorch_tanh": True, "gelu_fast": True}
"""Hugging Face's names of gelu; the value says whether it is the tanh approximation."""


def _from_huggingface(values: dict[str, object], where: str) -> dict[str, object]:
    """Returns a Hugging Face config under the keys of `BertConfig`."""
    if values["model_type"] != "bert":
        raise InputError(f'{where}: model_type is {quoted(values["model_type"])}, not "bert"; give a BERT checkpoint')
    position = values.get("position_embedding_type", "absolute")
    if position != "absolute" or values.get("is_decoder"):
        raise InputError(
            f"{where}: decoders and relative positions are not supported; give an encoder with absolute positions"
        )
    act = values.get("hidden_act", "gelu")
    if not isinstance(act, str) or act not in _GELUS:
        raise InputError(f"{where}: hidden_act {quoted(act)} is not supported; supported: {', '.join(_GELUS)}")
    return values | {"hidden_act": "gelu", "gelu_approximate": _GELUS[act]}


def _parse_json(text: str, path: str) -> dict[str, object]:
    """Returns the values of a JSON config."""
    values = parse_json(text, path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: a BERT config is one JSON object; give bert_config.json or config.ini")
    return values


def _is_ini(text: str) -> bool:
    """Returns whether the first line that is not a comment is a section header."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return re.match(r"\[[A-Za-z-]+\]", first) is not None


def _parse_ini(text: str, path: str) -> dict[str, object]:
    """Returns the values of the section `INI_SECTION`."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(re.sub(r"[^\S\n]+", " ", text))  # configparser needs quadratic time for many spaces
    except configparser.Error as error:
        reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
        raise InputError(f"{path}: not a readable .ini file: {reason}") from None
    if not parser.has_section(INI_SECTION):
        raise InputError(f"{path}: no [{INI_SECTION}] section; give bert_config.json or bert-japanese's config.ini")
    return dict(parser.items(INI_SECTION))


def _convert(value: object, kind: str, where: str) -> int | float | str:
    """Converts a raw value to the type of its field.

    Integers must be between 1 and an upper bound, floats at least 0 and below 1.
    """
    if kind == "str":
        if not isinstance(value, str):
            raise InputError(f"{where} is {quoted(value)}; it must be a string")
        return value
    if kind == "bool":
        if str(value).lower() not in ("true", "false"):
            raise InputError(f"{where} is {quoted(value)}; it must be true or false")
        return str(value).lower() == "true"
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = int(str(value)) if kind == "int" else float(value)
    except (ValueError, OverflowError):
        raise InputError(f"{where} is {quoted(value)}; it must be a {_KINDS[kind]}") from None
    most = MOST_LAYERS if where.endswith("num_hidden_layers") else LARGEST_SIZE
    if kind == "int" and not 1 <= number <= most:
        raise InputError(f"{where} is {quoted(number)}; it must be at least 1 and at most {most:,}")
    if kind == "float" and not 0.0 <= number < 1.0:
        raise InputError(f"{where} is {quoted(number)}; it must be at least 0 and below 1")
    return number


_KINDS = {"int": "whole number", "float": "number"}

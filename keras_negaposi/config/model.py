"""The pre-trained BERT, and its files that are found next to the checkpoint."""

from __future__ import annotations

import dataclasses
import glob
import os

from checkpoints_tools.bert_config import CONFIG_NAMES
from checkpoints_tools.common.cli import at_least, option, path_option, required_path
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote
from checkpoints_tools.common.options import Needs
from checkpoints_tools.formats.tokenizer_files import find_word_piece
from keras_negaposi.config.headings import MODEL


@dataclasses.dataclass(frozen=True)
class ModelFiles:
    """The pre-trained BERT. Files that are not given are looked for next to the checkpoint."""

    init_checkpoint: str = required_path(
        "pre-trained BERT: prefix of a TF1 checkpoint (model.ckpt-1400000), one of its files, or its folder; or a TF2 "
        "checkpoint, a Hugging Face folder or a finished run",
        heading=MODEL,
    )
    bert_config_file: str | None = path_option(
        None,
        "bert_config.json, or config.ini of bert-japanese, or config.json of Hugging Face (default: next to "
        "--init_checkpoint)",
    )
    num_attention_heads: int | None = option(
        None,
        "number of attention heads, for a checkpoint without a BERT config",
        kind=int,
        check=at_least(1, 1 << 16),
        needs=Needs(lambda c: not c.bert_config_file, "has no effect with a BERT config, which tells the number"),
    )
    model_file: str = required_path("SentencePiece .model of the pre-training (default: next to --init_checkpoint)")
    vocab_file: str = required_path("SentencePiece .vocab of the pre-training (default: next to --init_checkpoint)")
    do_lower_case: bool = option(True, "lower-case the texts, as bert-japanese does")


SHORTEST_PAIR = 5
"""[CLS] A [SEP] B [SEP] with one piece of either text."""
LONGEST_INPUT = 1 << 16
"""In pieces; no BERT has as many positions."""


@dataclasses.dataclass(frozen=True)
class PretrainedConfig(ModelFiles):
    """The pre-trained BERT, and the longest input that it gets."""

    max_seq_length: int = option(
        128,
        "longest input, in pieces; longer ones are cut. An input is [CLS] A [SEP] B [SEP], or either text alone for "
        "heads with one input each",
        check=at_least(SHORTEST_PAIR, LONGEST_INPUT),
        heading=MODEL,
    )


REQUIRED = ("honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file")
_NEXT_TO_CHECKPOINT = {
    "bert_config_file": CONFIG_NAMES,
    "model_file": ("*.model",),
    "vocab_file": ("*.vocab",),
}


def complete_model_files(values: dict[str, object]) -> dict[str, object]:
    """Adds the config, SentencePiece model and vocabulary that lie next to the checkpoint, where they are not given.

    Raises:
        InputError: several files match one option, or the BERT has a WordPiece tokenizer.
    """
    checkpoint = values.get("init_checkpoint")
    completed = dict(values)
    if isinstance(checkpoint, str) and not is_remote(checkpoint):
        folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint) or "."
        for name, patterns in _NEXT_TO_CHECKPOINT.items():
            if completed.get(name) is None:
                completed[name] = _only_match(folder, patterns, name)
        word_piece = find_word_piece(folder)
        if completed["model_file"] is None and word_piece:
            raise InputError(
                f"{word_piece}: this BERT's tokenizer is WordPiece, and only SentencePiece ones are supported; give a "
                "BERT with a SentencePiece .model and .vocab"
            )
    return completed


def check_required(values: dict[str, object], names: tuple[str, ...] = REQUIRED) -> None:
    """Rejects a configuration that lacks one of the options ``names``.

    Raises:
        InputError: names the flag.
    """
    for name in names:
        if values.get(name) is None:
            hint = " (there is no such file next to --init_checkpoint)" if name in _NEXT_TO_CHECKPOINT else ""
            raise InputError(f"--{name} is missing{hint}; give its path")


def _only_match(folder: str, patterns: tuple[str, ...], name: str) -> str | None:
    for pattern in patterns:
        matches = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        if len(matches) > 1:
            raise InputError(f"{folder}: {len(matches)} files match {pattern}; choose one with --{name}")
        if matches:
            return matches[0]
    return None

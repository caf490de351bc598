"""The pre-trained BERT, and what is filled in from beside it."""

from __future__ import annotations

import dataclasses
import glob
import os

from checkpoints_tools.bert_config import CONFIG_NAMES
from checkpoints_tools.common.cli import at_least, option, path_option, required_path
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote
from checkpoints_tools.formats.tokenizer_files import find_word_piece


@dataclasses.dataclass(frozen=True)
class ModelFiles:
    """The pre-trained BERT. What is not given is looked for beside the checkpoint."""

    init_checkpoint: str = required_path(
        "pre-trained BERT: a TF1 checkpoint's prefix (model.ckpt-1400000), one of its files, or folder; also a TF2 "
        "checkpoint, a Hugging Face folder, a finished run",
    )
    bert_config_file: str | None = path_option(
        None, "bert_config.json, bert-japanese's config.ini, or Hugging Face's config.json"
    )
    num_attention_heads: int | None = option(
        None, "of a checkpoint without a BERT config", kind=int, check=at_least(1, 1 << 16)
    )
    model_file: str = required_path("SentencePiece .model of the pre-training")
    vocab_file: str = required_path("SentencePiece .vocab of the pre-training")
    do_lower_case: bool = option(True, "lower-case the texts, as bert-japanese does")


REQUIRED = ("honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file")
_BESIDE_CHECKPOINT = {
    "bert_config_file": CONFIG_NAMES,
    "model_file": ("*.model",),
    "vocab_file": ("*.vocab",),
}


def complete_model_files(values: dict[str, object]) -> dict[str, object]:
    """Fills in the config, SentencePiece model and vocabulary that lie beside the checkpoint.

    Raises:
        InputError: a required option is neither given nor found.
    """
    checkpoint = values.get("init_checkpoint")
    completed = dict(values)
    if isinstance(checkpoint, str) and not is_remote(checkpoint):
        folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint) or "."
        for name, patterns in _BESIDE_CHECKPOINT.items():
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
    """Refuses a configuration that lacks one of ``names``.

    Raises:
        InputError: names the flag.
    """
    for name in names:
        if values.get(name) is None:
            hint = " (nothing of the kind lies beside --init_checkpoint)" if name in _BESIDE_CHECKPOINT else ""
            raise InputError(f"--{name} is missing{hint}; give its path")


def _only_match(folder: str, patterns: tuple[str, ...], name: str) -> str | None:
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        if len(found) > 1:
            raise InputError(f"{folder}: {len(found)} files match {pattern}; say which one with --{name}")
        if found:
            return found[0]
    return None

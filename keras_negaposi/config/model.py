"""The pre-trained BERT, and its files that are found next to the checkpoint."""

from __future__ import annotations

import dataclasses
import os

from checkpoints_tools.bert_config import CONFIG_NAMES
from checkpoints_tools.common.cli import at_least, option, path_option, required_path
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import MODEL
from keras_negaposi.config.tokenizer_files import (
    AUTO,
    FILE_PATTERNS,
    KINDS,
    TOKENIZER_CONFIG,
    complete_tokenizer,
    only_match,
)


def uses(name: str) -> Needs:
    """Returns the condition that the kind of tokenizer has the file that option ``name`` names."""
    kinds = [kind for kind, about in KINDS.items() if name in about.files]
    return Needs(
        lambda c: c.tokenizer in (AUTO, *kinds), f"has an effect with these tokenizers only: {', '.join(kinds)}"
    )


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
    tokenizer: str = option(
        AUTO,
        "kind of the BERT's tokenizer. auto: as its files say; "
        + "; ".join(f"{name}: {kind.summary}" for name, kind in KINDS.items()),
        choices=(AUTO, *KINDS),
    )
    model_file: str | None = path_option(
        None, "SentencePiece .model of the pre-training (default: next to --init_checkpoint)", needs=uses("model_file")
    )
    vocab_file: str | None = path_option(
        None,
        "vocabulary of the pre-training: SentencePiece's .vocab, or vocab.txt (default: next to --init_checkpoint)",
        needs=uses("vocab_file"),
    )
    tokenizer_config_file: str | None = path_option(
        None, f"Hugging Face's {TOKENIZER_CONFIG}, options of the tokenizer (default: next to --init_checkpoint)"
    )
    do_lower_case: bool | None = option(
        None,
        f"lower-case the texts (default: as {TOKENIZER_CONFIG} says; otherwise true for sentencepiece and wordpiece)",
        kind=bool,
    )


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


REQUIRED = ("init_checkpoint",)
"""Options that every training needs, besides the `PairSource` and the `tokenizer_options`."""
_NEXT_TO_CHECKPOINT = ("bert_config_file", *FILE_PATTERNS)


def complete_model_files(values: dict[str, object]) -> dict[str, object]:
    """Adds the config and the tokenizer that lie next to the checkpoint, where they are not given.

    Raises:
        InputError: several files match one option, or the BERT has a tokenizer that is not supported.
    """
    checkpoint = values.get("init_checkpoint")
    completed, folder = dict(values), None
    if isinstance(checkpoint, str) and not is_remote(checkpoint):
        folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint) or "."
        if completed.get("bert_config_file") is None:
            found = (only_match(folder, name, "bert_config_file") for name in CONFIG_NAMES)
            completed["bert_config_file"] = next(filter(None, found), None)
    return complete_tokenizer(completed, folder)


def tokenizer_options(kind: str) -> tuple[str, ...]:
    """Returns the options that name the files of a kind of tokenizer."""
    return tuple(KINDS[kind].files)


def check_required(values: dict[str, object], names: tuple[str, ...]) -> None:
    """Rejects a configuration that lacks one of the options ``names``.

    Raises:
        InputError: names the flag.
    """
    for name in names:
        if values.get(name) is None:
            hint = " (there is no such file next to --init_checkpoint)" if name in _NEXT_TO_CHECKPOINT else ""
            raise InputError(f"--{name} is missing{hint}; give its path")


def check_complete(values: dict[str, object], names: tuple[str, ...] = REQUIRED) -> None:
    """Rejects the options of `complete_model_files` where one of ``names`` or a file of the tokenizer is missing.

    Raises:
        InputError: names the flag.
    """
    check_required(values, (*names, *tokenizer_options(str(values["tokenizer"]))))

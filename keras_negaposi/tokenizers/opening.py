"""Opens the tokenizer that a configuration names, and the copy of it in a run's folder."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, read_bytes, write_bytes, write_json
from keras_negaposi.config import ModelFiles
from keras_negaposi.config.tokenizer_files import (
    KINDS,
    MECAB_CHARACTER,
    MECAB_KINDS,
    SENTENCEPIECE,
    TOKENIZER_CONFIG,
    WORDPIECE,
    XLMR,
    options_of,
    read_options,
)
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.tokenizers.base import BaseTokenizer

ConfigT = TypeVar("ConfigT", bound=ModelFiles)


def open_tokenizer(config: ModelFiles) -> BaseTokenizer:
    """Opens a BERT's tokenizer.

    Args:
        config: names its files.

    Raises:
        InputError: a file is missing or cannot be used, or a package is not installed.
    """
    kind, lower = options_of(config).values()
    files = {name: getattr(config, name) for name in KINDS[kind].files}
    for name, path in files.items():
        if not path:
            raise InputError(f"--{name} is missing; give the one of the BERT, whose tokenizer is {kind}")
    if kind in (SENTENCEPIECE, XLMR):
        from keras_negaposi.tokenizers.sentencepiece import Tokenizer, XlmRobertaTokenizer

        return (XlmRobertaTokenizer if kind == XLMR else Tokenizer)(**files, do_lower_case=lower)
    options = read_options(config.tokenizer_config_file)
    if kind == WORDPIECE:
        from keras_negaposi.tokenizers.wordpiece import WordPieceTokenizer

        return WordPieceTokenizer(files["vocab_file"], lower, options.strip_accents, options.splits_ideographs)
    from keras_negaposi.tokenizers.mecab import MecabTokenizer

    return MecabTokenizer(files["vocab_file"], lower, options.mecab, kind == MECAB_CHARACTER)


def describe(config: ModelFiles) -> str:
    """Returns a line about the tokenizer that a configuration names."""
    kind, lower = options_of(config).values()
    files = " and ".join(str(getattr(config, name)) for name in KINDS[kind].files)
    options = read_options(config.tokenizer_config_file)
    default = "" if options.mecab_kwargs else f", the default: {TOKENIZER_CONFIG} has no mecab_kwargs"
    words = f", MeCab with {options.mecab.mecab_dic}{default}" if kind in MECAB_KINDS else ""
    return f"tokenizer: {kind} ({files}{words}), {'lower-casing' if lower else 'keeping capital letters'}"


def write_copies(config: ModelFiles, folder: RunFolder) -> None:
    """Copies a tokenizer's files into a run's folder, which can then be an ``--init_checkpoint`` itself."""
    kind, lower = options_of(config).values()
    for name, path in folder.tokenizer_files(kind).items():
        write_bytes(path, read_bytes(getattr(config, name)))
    if kind == SENTENCEPIECE and lower == KINDS[kind].lower_case:
        return
    # Some of these the command line may have chosen, and the others would be lost with the checkpoint's folder.
    options = read_options(config.tokenizer_config_file)
    chosen = _CLASSES[kind] | {"do_lower_case": lower}
    write_json(folder.tokenizer_config, {**dataclasses.asdict(options), "mecab_kwargs": vars(options.mecab), **chosen})


_CLASSES: dict[str, dict[str, object]] = {
    kind: {"tokenizer_class": name, "word_tokenizer_type": words, "subword_tokenizer_type": pieces}
    for kind, name, words, pieces in (
        (SENTENCEPIECE, None, None, None),
        (XLMR, "XLMRobertaTokenizer", None, None),
        (WORDPIECE, "BertTokenizer", None, None),
        (MECAB_KINDS[0], "BertJapaneseTokenizer", "mecab", "wordpiece"),
        (MECAB_KINDS[1], "BertJapaneseTokenizer", "mecab", "character"),
    )
}


def with_copies(config: ConfigT, folder: RunFolder) -> ConfigT:
    """Returns the configuration of a run with the copies of the tokenizer's files that are in its folder."""
    resolved, options = options_of(config), folder.tokenizer_config
    copies: dict[str, Any] = {**resolved, **folder.tokenizer_files(resolved["tokenizer"])}
    return dataclasses.replace(config, **copies, tokenizer_config_file=options if exists(options) else None)

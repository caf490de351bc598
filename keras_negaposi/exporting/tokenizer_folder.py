"""Writes the files from which transformers opens a run's tokenizer, one way for each kind of tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checkpoints_tools.common.files import join, read_bytes, write_bytes, write_json
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.tokenizer_files import (
    MECAB_CHARACTER,
    MECAB_KINDS,
    TOKENIZER_CONFIG,
    WORDPIECE,
    read_options,
)
from keras_negaposi.tokenizers.base import BaseTokenizer

_BERT_PIECES = {name: f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
_XLMR_PIECES = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}


def write_tokenizer(config: TrainConfig, tokenizer: BaseTokenizer, folder: str, truncation_side: str = "right") -> int:
    """Writes ``tokenizer_config.json`` and the files that it needs.

    Args:
        config: the run's options, with the tokenizer's files that are in its folder (`opening.with_copies`).
        tokenizer: the run's tokenizer.
        folder: where to write.
        truncation_side: which side of a long text is cut.

    Returns:
        The token id of padding.

    Raises:
        InputError: tokenizers cannot compute a SentencePiece model of this kind.
    """
    special = _special(config.tokenizer, tokenizer)
    values: dict[str, Any] = special | {
        "model_max_length": config.max_seq_length,
        "truncation_side": truncation_side,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    }
    if config.tokenizer in (WORDPIECE, *MECAB_KINDS):
        write_bytes(join(folder, "vocab.txt"), read_bytes(str(config.vocab_file)))
        values |= _options_of_words(config)
    else:
        from keras_negaposi.exporting.sentencepiece_json import tokenizer_json
        from keras_negaposi.tokenizers.sentencepiece import SentencePieceTokenizer

        assert isinstance(tokenizer, SentencePieceTokenizer)
        write_json(join(folder, "tokenizer.json"), tokenizer_json(str(config.model_file), tokenizer, special))
        # Of tokenizers that read tokenizer.json as it is, this class is the most general one.
        values |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(join(folder, TOKENIZER_CONFIG), values)
    return tokenizer.vocabulary.get(special["pad_token"], tokenizer.pad_id)


def _special(kind: str, tokenizer: BaseTokenizer) -> dict[str, str]:
    """Returns the special pieces by Hugging Face's names, as far as the vocabulary has them."""
    pieces = _XLMR_PIECES if tokenizer.token_types == 1 else _BERT_PIECES
    if "sentencepiece" in kind and pieces["unk"] not in tokenizer.vocabulary:
        pieces = pieces | {"unk": _XLMR_PIECES["unk"]}
    return {f"{name}_token": piece for name, piece in pieces.items() if piece in tokenizer.vocabulary}


def _options_of_words(config: TrainConfig) -> Mapping[str, Any]:
    """Returns the options of WordPiece, or of MeCab and WordPiece."""
    options = read_options(config.tokenizer_config_file)
    if config.tokenizer == WORDPIECE:
        return {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": config.do_lower_case,
            "strip_accents": options.strip_accents,
            "tokenize_chinese_chars": options.splits_ideographs,
        }
    return {
        "tokenizer_class": "BertJapaneseTokenizer",
        "do_lower_case": config.do_lower_case,
        "word_tokenizer_type": "mecab",
        "subword_tokenizer_type": "character" if config.tokenizer == MECAB_CHARACTER else "wordpiece",
        "mecab_kwargs": vars(options.mecab),
    }

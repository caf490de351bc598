"""The kind of a BERT's tokenizer, its files and its options, found in the files next to the checkpoint."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, read_json
from checkpoints_tools.common.schema import read_as

AUTO = "auto"
SENTENCEPIECE, XLMR, WORDPIECE = "sentencepiece", "xlmr", "wordpiece"
MECAB_WORDPIECE, MECAB_CHARACTER = "mecab_wordpiece", "mecab_character"
TOKENIZER_CONFIG = "tokenizer_config.json"
_XLMR_MODEL, _WORDS, _FAST, _BERT_CONFIG = "sentencepiece.bpe.model", "vocab.txt", "tokenizer.json", "config.json"


class Kind(NamedTuple):
    """A kind of tokenizer.

    Attributes:
        files: the options that name its files, and the names of their copies in a run's folder.
        lower_case: whether it lower-cases texts unless something says otherwise.
        summary: what it is, for help and messages.
    """

    files: Mapping[str, str]
    lower_case: bool
    summary: str


KINDS = {
    SENTENCEPIECE: Kind({"model_file": "tokenizer.model", "vocab_file": "tokenizer.vocab"}, True, "bert-japanese"),
    XLMR: Kind({"model_file": _XLMR_MODEL}, False, "multilingual-e5-small"),
    WORDPIECE: Kind({"vocab_file": _WORDS}, True, "Google's multilingual BERTs"),
    MECAB_WORDPIECE: Kind({"vocab_file": _WORDS}, False, "Tohoku's BERTs"),
    MECAB_CHARACTER: Kind({"vocab_file": _WORDS}, False, "Tohoku's BERTs named -char"),
}
MECAB_KINDS = (MECAB_WORDPIECE, MECAB_CHARACTER)
FILE_PATTERNS = {"model_file": "*.model", "vocab_file": "*.vocab"}
_FIX = "give Hugging Face's tokenizer_config.json of this BERT"


@dataclasses.dataclass(frozen=True)
class MecabOptions:
    """``mecab_kwargs`` of ``tokenizer_config.json``; the defaults are those of transformers 5."""

    mecab_dic: str | None = "unidic_lite"
    mecab_option: str | None = None
    normalize_text: bool = True


@dataclasses.dataclass(frozen=True)
class TokenizerOptions:
    """The keys of ``tokenizer_config.json`` that change token ids; transformers documents them."""

    tokenizer_class: str | None = None
    do_lower_case: bool | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = None
    word_tokenizer_type: str | None = None
    subword_tokenizer_type: str | None = None
    mecab_kwargs: MecabOptions | None = None

    @property
    def mecab(self) -> MecabOptions:
        """Options of MeCab."""
        return self.mecab_kwargs or MecabOptions()

    @property
    def splits_ideographs(self) -> bool:
        """Whether WordPiece takes each Chinese or Japanese ideograph as a word."""
        return self.tokenize_chinese_chars is not False

    def digest(self) -> str:
        """Returns a hash of the options that a run's ``config.json`` does not contain."""
        values = [self.strip_accents, self.splits_ideographs, dataclasses.asdict(self.mecab)]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()


class Files(Protocol):
    """The options that describe a tokenizer, as `config.ModelFiles` has them."""

    @property
    def tokenizer(self) -> str:
        """A name in `KINDS`, or `AUTO`."""

    @property
    def model_file(self) -> str | None:
        """SentencePiece model."""

    @property
    def vocab_file(self) -> str | None:
        """Vocabulary."""

    @property
    def tokenizer_config_file(self) -> str | None:
        """``tokenizer_config.json``."""

    @property
    def do_lower_case(self) -> bool | None:
        """Whether texts are lower-cased; ``None`` if it is not decided yet."""


def read_options(path: str | None) -> TokenizerOptions:
    """Reads a ``tokenizer_config.json``; without one, everything has its default.

    Raises:
        InputError: the file cannot be read, or a value has a wrong type.
    """
    return read_as(TokenizerOptions, path, _FIX) if path else TokenizerOptions()


def options_of(files: Files) -> dict[str, Any]:
    """Returns ``tokenizer`` and ``do_lower_case`` as they are in effect, also where a configuration is not complete.

    Raises:
        InputError: no kind fits the files, or a file cannot be read.
    """
    names = ("tokenizer", "model_file", "vocab_file", "tokenizer_config_file", "do_lower_case")
    completed = complete_tokenizer({name: getattr(files, name) for name in names}, None)
    return {name: completed[name] for name in ("tokenizer", "do_lower_case")}


def complete_tokenizer(values: Mapping[str, Any], folder: str | None) -> dict[str, Any]:
    """Returns the options with the tokenizer's kind, files and lower-casing.

    Args:
        values: by option.
        folder: of the checkpoint, where files that are not given are looked for; ``None`` if it is not local.

    Raises:
        InputError: no kind fits the files, several files match one option, or a file cannot be read.
    """
    completed = {"tokenizer": AUTO, "model_file": None, "vocab_file": None, "do_lower_case": None, **values}
    beside = join(folder, TOKENIZER_CONFIG) if folder else None
    if completed.get("tokenizer_config_file") is None:
        completed["tokenizer_config_file"] = beside if beside and exists(beside) else None
    decided = completed["tokenizer"] != AUTO and completed["do_lower_case"] is not None
    options = read_options(None if decided else completed["tokenizer_config_file"])
    if folder and options.tokenizer_class is None:
        options = dataclasses.replace(options, tokenizer_class=_class_in_bert_config(folder))
    if completed["tokenizer"] == AUTO:
        completed["tokenizer"] = _detect(completed, folder, options)
    kind = KINDS[completed["tokenizer"]]
    for name in kind.files:
        if folder and completed[name] is None:
            words = name == "vocab_file" and kind.files[name] == _WORDS
            completed[name] = only_match(folder, _WORDS if words else FILE_PATTERNS[name], name)
    if completed["do_lower_case"] is None:
        configured = options.do_lower_case
        completed["do_lower_case"] = kind.lower_case if configured is None else configured
    return completed


def only_match(folder: str, pattern: str, name: str) -> str | None:
    """Returns the only file of a folder that matches a pattern, or ``None`` if there is none.

    Raises:
        InputError: several files match; the message names the flag to choose one with.
    """
    matches = _matches(folder, pattern)
    if len(matches) > 1:
        raise InputError(f"{folder}: {len(matches)} files match {pattern}; choose one with --{name}")
    return matches[0] if matches else None


def _matches(folder: str | None, pattern: str) -> list[str]:
    return sorted(glob.glob(os.path.join(glob.escape(folder), pattern))) if folder else []


def _class_in_bert_config(folder: str) -> str | None:
    """Returns ``tokenizer_class`` of a Hugging Face folder's ``config.json``; ``None`` if there is none."""
    path = join(folder, _BERT_CONFIG)
    try:
        content = read_json(path) if exists(path) else None
    except InputError:  # the BERT's reader reports it
        return None
    name = content.get("tokenizer_class") if isinstance(content, dict) else None
    return name if isinstance(name, str) else None


def _detect(values: Mapping[str, Any], folder: str | None, options: TokenizerOptions) -> str:
    """Returns the kind of tokenizer that the given files, and those in the folder, belong to."""
    given_model, given_vocab = values["model_file"], values["vocab_file"]
    models = [given_model] if given_model else _matches(folder, FILE_PATTERNS["model_file"])
    vocabs = [given_vocab] if given_vocab else _matches(folder, FILE_PATTERNS["vocab_file"])
    if given_vocab and not given_model and given_vocab.endswith(".txt"):
        return _kind_of_words(values, options)
    if models and vocabs:
        return SENTENCEPIECE
    of_xlmr = (options.tokenizer_class or "").startswith("XLMRoberta")
    if models and (of_xlmr or any(os.path.basename(model) == _XLMR_MODEL for model in models)):
        return XLMR
    if not (given_model or given_vocab):
        if _matches(folder, _WORDS):
            return _kind_of_words(values, options)
        fast = _matches(folder, _FAST)
        if fast and not models:
            raise InputError(
                f"{fast[0]}: the only tokenizer file, and it cannot be read; put the {_WORDS} or .model that "
                "was published with this BERT next to it"
            )
    return SENTENCEPIECE


def _kind_of_words(values: Mapping[str, Any], options: TokenizerOptions) -> str:
    """Returns the kind of tokenizer that a ``vocab.txt`` belongs to.

    Raises:
        InputError: it is one that is not supported.
    """
    is_japanese = (options.tokenizer_class or "").startswith("BertJapanese")
    words = options.word_tokenizer_type or ("mecab" if is_japanese or options.subword_tokenizer_type else None)
    pieces = options.subword_tokenizer_type or "wordpiece"
    kinds = {"wordpiece": MECAB_WORDPIECE, "character": MECAB_CHARACTER}
    if words is None:
        return WORDPIECE
    if words != "mecab" or pieces not in kinds:
        raise InputError(
            f"{values['tokenizer_config_file']}: word_tokenizer_type {quoted(words)} with subword_tokenizer_type "
            f"{quoted(pieces)} is not supported; give a BERT whose tokenizer is one of {', '.join(KINDS)}"
        )
    return kinds[pieces]

"""The files of a BERT's tokenizer, which go where its weights go."""

from __future__ import annotations

import glob
import os
import re
import shutil

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import join, read_json, read_text, write_text

_WORD_PIECE, _FAST = "vocab.txt", "tokenizer.json"
_PATTERNS = ("*.model", "*.vocab", _WORD_PIECE, "tokenizer*.json", "special_tokens_map.json", "added_tokens.json")
_NEEDED = ("[CLS]", "[SEP]")
_SCORE = re.compile(r"\t-?[0-9.]+(?:e[+-]?[0-9]+)?\r?(?:\n|$)")
"""How a row of a ``.vocab`` ends. The piece before it may be a line break or a tab: SentencePiece escapes nothing."""


def copy_tokenizer(folder: str, target: str) -> list[str]:
    """Copies the tokenizer's files that lie in a folder, and gives what the user should know.

    A SentencePiece model without its ``.vocab`` gets one, if its ids are the BERT's own.
    """
    names = {os.path.basename(path) for pattern in _PATTERNS for path in glob.glob(join(glob.escape(folder), pattern))}
    names = {name for name in names if os.path.isfile(join(folder, name))}
    for name in names:
        shutil.copyfile(join(folder, name), join(target, name))
    models = sorted(name for name in names if name.endswith(".model"))
    if models and not any(name.endswith(".vocab") for name in names):
        return [_write_vocabulary(join(target, models[0]))]
    if word_piece := find_word_piece(folder):
        return [f"its tokenizer is WordPiece ({word_piece}); keras_negaposi trains BERTs with SentencePiece only"]
    return [f"tokenizer: {', '.join(sorted(names))}"] if names else ["no tokenizer files lie beside it"]


def read_vocabulary(path: str) -> list[str]:
    """The pieces of a ``.vocab`` file of SentencePiece: ``piece<TAB>score`` a row.

    Raises:
        InputError: it cannot be read, is empty, or a row is something else.
    """
    text = read_text(path)
    if not text:
        raise InputError(f"{path}: the file is empty; give SentencePiece's .vocab file")
    *pieces, rest = _SCORE.split(text)
    if rest.strip("\r\n") or not pieces:
        raise InputError(f"{path}: row {len(pieces) + 1} is not piece<TAB>score; give SentencePiece's .vocab file")
    return pieces


def find_word_piece(folder: str) -> str | None:
    """The file that shows a folder's only tokenizer to be WordPiece, if one does."""
    if glob.glob(join(glob.escape(folder), "*.model")):
        return None
    if os.path.exists(join(folder, _WORD_PIECE)):
        return join(folder, _WORD_PIECE)
    fast = join(folder, _FAST)
    if not os.path.exists(fast):
        return None
    try:
        content = read_json(fast)
    except InputError:  # somebody else's file, which we need not understand
        return None
    model = content.get("model") if isinstance(content, dict) else None
    return fast if isinstance(model, dict) and model.get("type") == "WordPiece" else None


def _write_vocabulary(model: str) -> str:
    """Writes ``NAME.vocab`` beside a model that holds BERT's special pieces; others' ids are shifted by their code."""
    import sentencepiece

    name = os.path.basename(model)
    try:
        processor = sentencepiece.SentencePieceProcessor(model_file=model)
    except (RuntimeError, OSError, ValueError):
        return f"{name} is no SentencePiece model"
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    if not all(piece in pieces for piece in _NEEDED):
        return f"{name} holds no {' and '.join(_NEEDED)}: keras_negaposi cannot use it as it is"
    lines = (f"{piece}\t{processor.get_score(number):g}\n" for number, piece in enumerate(pieces))
    write_text(model.removesuffix(".model") + ".vocab", "".join(lines))
    return f"tokenizer: {name}, and the .vocab made from it"

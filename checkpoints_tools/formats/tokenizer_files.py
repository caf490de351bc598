"""Copies and reads the tokenizer files next to a checkpoint."""

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
"""The end of a row of a ``.vocab`` file. A piece may be a line break or a tab: SentencePiece escapes nothing."""


def copy_tokenizer(folder: str, target: str) -> list[str]:
    """Copies the tokenizer files of a folder and returns notes for the user.

    A SentencePiece model without a ``.vocab`` file gets one if it has BERT's special pieces: its ids are then BERT's.
    """
    names = {os.path.basename(path) for pattern in _PATTERNS for path in glob.glob(join(glob.escape(folder), pattern))}
    names = {name for name in names if os.path.isfile(join(folder, name))}
    for name in names:
        shutil.copyfile(join(folder, name), join(target, name))
    models = sorted(name for name in names if name.endswith(".model"))
    if models and not any(name.endswith(".vocab") for name in names):
        return [_write_vocabulary(join(target, models[0]))]
    if word_piece := find_word_piece(folder):
        return [
            f"tokenizer: {', '.join(sorted(names))} (WordPiece, shown by {word_piece}; there is no SentencePiece model)"
        ]
    return [f"tokenizer: {', '.join(sorted(names))}"] if names else ["the checkpoint's folder has no tokenizer files"]


def read_vocabulary(path: str) -> list[str]:
    """Reads the pieces of a SentencePiece ``.vocab`` file, which has ``piece<TAB>score`` in each row.

    Raises:
        InputError: the file cannot be read or is empty, or a row has another form.
    """
    text = read_text(path)
    if not text:
        raise InputError(f"{path}: the file is empty; give SentencePiece's .vocab file")
    *pieces, rest = _SCORE.split(text)
    if rest.strip("\r\n") or not pieces:
        raise InputError(f"{path}: row {len(pieces) + 1} is not piece<TAB>score; give SentencePiece's .vocab file")
    return pieces


def find_word_piece(folder: str) -> str | None:
    """Returns the file that shows that a folder's only tokenizer is WordPiece, or ``None``."""
    if glob.glob(join(glob.escape(folder), "*.model")):
        return None
    if os.path.exists(join(folder, _WORD_PIECE)):
        return join(folder, _WORD_PIECE)
    fast = join(folder, _FAST)
    if not os.path.exists(fast):
        return None
    try:
        content = read_json(fast)
    except InputError:  # another program's file, which may have any content
        return None
    model = content.get("model") if isinstance(content, dict) else None
    return fast if isinstance(model, dict) and model.get("type") == "WordPiece" else None


def _write_vocabulary(model: str) -> str:
    """Writes ``NAME.vocab`` next to a SentencePiece model and returns a note.

    A model without BERT's special pieces gets none: the code that used it must have shifted its ids.
    """
    import sentencepiece

    name = os.path.basename(model)
    try:
        processor = sentencepiece.SentencePieceProcessor(model_file=model)
    except (RuntimeError, OSError, ValueError):
        return f"tokenizer: {name}, which is not a SentencePiece model"
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    if not all(piece in pieces for piece in _NEEDED):
        return (
            f"tokenizer: {name}, without .vocab: it has no {' and '.join(_NEEDED)}, so its ids are not the BERT's ids"
        )
    lines = (f"{piece}\t{processor.get_score(number):g}\n" for number, piece in enumerate(pieces))
    write_text(model.removesuffix(".model") + ".vocab", "".join(lines))
    return f"tokenizer: {name}, and a .vocab file created from it"

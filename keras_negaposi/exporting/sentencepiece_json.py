"""A SentencePiece model as Hugging Face's ``tokenizer.json``, with the token ids of our tokenizer.

The library tokenizers reads it. Texts in which something looks like a special piece differ (it becomes the special id),
and so do a few rare characters: `exporting/README.md` lists them by kind.
"""

from __future__ import annotations

import base64
from typing import Any

from checkpoints_tools.common.errors import InputError
from keras_negaposi.exporting.sentencepiece_model import NORMAL, UNIGRAM, USER_DEFINED, read_model
from keras_negaposi.tokenizers.base import NOT_A_CHARACTER
from keras_negaposi.tokenizers.sentencepiece import SentencePieceTokenizer

SPACE = "▁"
"""What SentencePiece writes for a space."""
_CASED = r"[\p{Lu}\p{Ll}\p{Lt}]"
_FINAL_SIGMA = rf"(?<={_CASED})Σ(?!{_CASED})"
"""Our lower-casing looks at the neighbours of this letter, that of tokenizers does not."""


def tokenizer_json(path: str, tokenizer: SentencePieceTokenizer, special: dict[str, str]) -> dict[str, Any]:
    """Returns the content of ``tokenizer.json``.

    Args:
        path: the SentencePiece model.
        tokenizer: our tokenizer of this model, which tells token ids, lower-casing and token types.
        special: the special pieces by Hugging Face's names, such as ``cls_token``.

    Raises:
        InputError: the model is not of a kind that tokenizers can compute.
    """
    model = read_model(path)
    if model.trainer_spec.model_type != UNIGRAM or model.trainer_spec.treat_whitespace_as_suffix:
        raise InputError(
            f"{path}: only SentencePiece models of the type unigram can be exported to Hugging Face, without "
            "treat_whitespace_as_suffix; use --to serving, whose model contains this tokenizer"
        )
    ids = tokenizer.vocabulary
    scores = _scores(model)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(piece, ids[piece]) for piece in sorted(set(special.values()), key=ids.__getitem__)],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(model.normalizer_spec, tokenizer.do_lower_case)},
        "pre_tokenizer": None,
        "post_processor": _template(special, ids, tokenizer.token_types - 1),
        "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": False},
        "model": {
            "type": "Unigram",
            "unk_id": ids[special["unk_token"]],
            "vocab": [[piece, scores.get(piece, 0.0)] for piece in sorted(ids, key=ids.__getitem__)],
            "byte_fallback": model.trainer_spec.byte_fallback,
        },
    }


def _scores(model: Any) -> dict[str, float]:  # noqa: ANN401
    """Returns the scores by piece; those of pieces that no text contains are 0."""
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type == NORMAL}
    highest = max(scores.values(), default=0.0)
    # SentencePiece always prefers these to other pieces, by this score.
    own = (piece.piece for piece in model.pieces if piece.type == USER_DEFINED)
    return scores | {piece: len(piece.encode()) * highest - 0.1 for piece in own}


def _normalizers(spec: Any, lower: bool) -> list[dict[str, Any]]:  # noqa: ANN401
    """Returns the steps between a text and the pieces: lower-casing, SentencePiece's table, spaces."""
    steps: list[dict[str, Any]] = []
    if lower:
        steps += [
            _replace({"String": "\0"}, NOT_A_CHARACTER),
            _replace({"Regex": _FINAL_SIGMA}, "ς"),
            {"type": "Lowercase"},
        ]
    if spec.precompiled_charsmap:
        table = base64.b64encode(spec.precompiled_charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": table})
        if "nfkc" in spec.name:
            # tokenizers looks up long sequences by character, which leaves a kana and its mark apart.
            steps.append({"type": "NFC"})
    if spec.remove_extra_whitespaces:
        steps += [_replace({"Regex": "^ +| +$"}, ""), _replace({"Regex": " +"}, " ")]
    if spec.add_dummy_prefix:
        steps.append({"type": "Prepend", "prepend": " "})
    if spec.escape_whitespaces:
        steps.append(_replace({"String": " "}, SPACE))
    return steps


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _added(piece: str, number: int) -> dict[str, Any]:
    """Returns a special piece, which is recognized in a text before the text is normalized."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": piece, **plain, "special": True}


def _template(special: dict[str, str], ids: dict[str, int], type_of_b: int) -> dict[str, Any]:
    """Returns the rule that puts the special pieces around one text and around two."""
    first, last = special["cls_token"], special["sep_token"]

    def piece(name: str, number: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": number}}

    def text(name: str, number: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": number}}

    single = [piece(first, 0), text("A", 0), piece(last, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", type_of_b), piece(last, type_of_b)],
        "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (first, last)},
    }

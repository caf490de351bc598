"""Suggestions as text: a table for a terminal, tab-separated values or JSON for a program."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from keras_negaposi.retrieval.link_formats import one_line
from keras_negaposi.retrieval.suggestions import Suggestion

EXCERPT = 60
"""Characters of a text in a table."""
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that JSON allows unescaped, but that break a line or cannot be encoded."""


def as_table(suggestions: Sequence[Suggestion]) -> str:
    """Returns one line per page: probability, title and the start of its text."""
    return "\n".join(f"{s.score:.3f}  {one_line(s.title)}  {one_line(s.text)[:EXCERPT]}" for s in suggestions)


def as_tsv(suggestions: Sequence[Suggestion]) -> str:
    """Returns one line per page: probability, title and text, tab-separated."""
    return "\n".join(f"{s.score:.6f}\t{one_line(s.title)}\t{one_line(s.text)}" for s in suggestions)


def as_json(suggestions: Sequence[Suggestion]) -> str:
    """Returns a JSON list with one object per page."""
    rows = [{"title": s.title, "score": round(s.score, 6), "text": s.text} for s in suggestions]
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


FORMATS = {"table": as_table, "tsv": as_tsv, "json": as_json}

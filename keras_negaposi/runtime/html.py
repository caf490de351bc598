"""Texts of other people on a page of ours."""

from __future__ import annotations

import html
import json
import unicodedata


def visible(text: str) -> str:
    """The same, with the controls written out that would reorder or hide what stands around them."""
    return "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text
    )


def escape(text: str) -> str:
    """`visible`, and markup shows as text."""
    return html.escape(visible(text))


def script_json(value: object) -> str:
    """JSON for a ``<script type="application/json">``: nothing in it can end the element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")

"""The suggestions page as HTML: with its data in one file that needs no network, or for a server that has the data."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from markupsafe import Markup

from keras_negaposi.links_page.page_data import PageData, chunks_json, manifest_json
from keras_negaposi.runtime.html import stream

SCRIPTS = (
    *("words", "text", "source", "wiki", "decisions", "copying", "choice", "why", "cards", "keys", "page"),
    *("controls", "start"),
)
"""The page's JavaScript files, in the order in which they run."""
STATIC, SERVER = "static", "server"


def static_page(data: PageData) -> Iterator[bytes]:
    """Yields the page, block by block, as one self-contained file; `files.write_blocks` writes it."""
    chunks = map(Markup, chunks_json(data))
    for block in _page(STATIC, manifest=Markup(manifest_json(data)), first=next(chunks, None), chunks=chunks):
        yield block.encode()


def server_page() -> str:
    """Returns the page for a server; its JavaScript asks for `page_data.data_files` and the decisions."""
    return "".join(_page(SERVER, manifest=None, first=None, chunks=()))


def security_policy(source: str) -> str:
    """Returns the page's Content-Security-Policy: only its own scripts run, and it reaches at most its own server."""
    inline = [_hash(script) for script in _scripts()]
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(inline)}",
            f"style-src {_hash(_read('page.css'))}",
            "img-src data:",
            "connect-src 'self'" if source == SERVER else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _page(source: str, **values: object) -> Iterator[str]:
    return stream(
        __package__,
        "page.html",
        source=source,
        policy=security_policy(source),
        style=Markup(_read("page.css")),
        words=Markup(_read("words.json")),
        scripts=list(map(Markup, _scripts())),
        **values,
    )


def _scripts() -> list[str]:
    return [_read(f"{name}.js") for name in SCRIPTS]


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@functools.cache
def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")

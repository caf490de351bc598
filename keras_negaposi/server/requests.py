"""What a request may ask: the limits, and the error that is shown to the client."""

from __future__ import annotations

from starlette.exceptions import HTTPException

LONGEST_TEXT = 20_000
"""Characters of a text."""
LONGEST_TITLE = 1_000
MOST_SUGGESTIONS = 100
"""Also the most pages that are reranked."""
MOST_CONTEXT = 20
"""Titles of pages before A."""
MOST_NOTE_PAGES = 100
"""Pages of the notes that one `/suggest` asks for."""
MOST_PAIRS = 100
"""Pairs of texts of one `/predict`."""
MOST_DECISIONS = 1_000
"""Decisions of one `POST /decisions`."""
MOST_BYTES = 2_000_000
"""Bytes of a request's body."""


class RequestError(HTTPException):
    """A request that cannot be answered: the HTTP status, and a line for the client, which names no file."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(status, line)

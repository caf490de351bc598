"""Finding the document that a page belongs to, from the page's title."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.pairs import Pair


class Documents:
    """Extracts the document's name from a title with the regular expression of ``--group_pattern``.

    Raises:
        InputError: the pattern is not a regular expression with exactly one group.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern, re.DOTALL)  # a title may contain line breaks
        except re.error as error:
            raise InputError(f"--group_pattern {pattern}: not a regular expression: {error}") from None
        if self._pattern.groups != 1:
            raise InputError(f"--group_pattern {pattern}: must have exactly one group, the document; write (...)")

    def __call__(self, title: str) -> str:
        """Returns the document's name, or the whole title if the pattern does not match or its group is empty."""
        match = self._pattern.search(title)
        return match[1] if match and match[1] else title


def documents_of(pairs: Sequence[Pair], group_pattern: str) -> list[tuple[str, str]]:
    """Returns the documents of A and of B for each pair."""
    documents = Documents(group_pattern)
    return [(documents(pair.a), documents(pair.b)) for pair in pairs]


def numbered(documents: Sequence[tuple[str, str]]) -> np.ndarray:
    """Returns a number for each document, ``int32 [pairs, 2]``: equal documents have equal numbers."""
    _, numbers = np.unique(np.array(documents, dtype=object).ravel(), return_inverse=True)
    return numbers.reshape(-1, 2).astype(np.int32)

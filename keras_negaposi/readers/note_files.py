"""Maps titles to note files: `keras_negaposi.pairs` stores those that are not ``title.md`` next to the texts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from checkpoints_tools.common.files import exists, write_json
from checkpoints_tools.common.schema import read_as

NAME = "note_files.json"
"""Name of a file in the folder of ``honbun_data.json``: document -> its file, as a path relative to the vault."""


def note_file(title: str, exceptions: Mapping[str, str]) -> str:
    """Returns the file that contains the note with this title."""
    return exceptions.get(title, f"{title}.md")


def write_exceptions(folder: str, exceptions: Mapping[str, str]) -> None:
    """Writes the files that `note_file` cannot derive from the title, if any."""
    if exceptions:
        write_json(os.path.join(folder, NAME), exceptions)


def read_exceptions(honbun: str) -> dict[str, str]:
    """Reads what `write_exceptions` wrote next to a file of texts; empty if it wrote nothing.

    Raises:
        InputError: the file is damaged.
    """
    path = os.path.join(os.path.dirname(honbun), NAME)
    return read_as(dict[str, str], path, "run keras_negaposi.pairs again") if exists(path) else {}

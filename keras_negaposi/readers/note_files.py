"""Which file a note's title stands for: `pairs` writes down those that are no ``title.md``, next to the texts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from checkpoints_tools.common.files import exists, write_json
from checkpoints_tools.common.schema import read_as

NAME = "note_files.json"
"""In the folder of ``honbun_data.json``: document -> its file, as a path from the vault."""


def note_file(title: str, exceptions: Mapping[str, str]) -> str:
    """The file that a note of this title is in."""
    return exceptions.get(title, f"{title}.md")


def write_exceptions(folder: str, exceptions: Mapping[str, str]) -> None:
    """Writes the files that are not `note_file`'s, if there are any."""
    if exceptions:
        write_json(os.path.join(folder, NAME), exceptions)


def read_exceptions(honbun: str) -> dict[str, str]:
    """What `write_exceptions` wrote next to a file of texts.

    Raises:
        InputError: it is damaged.
    """
    path = os.path.join(os.path.dirname(honbun), NAME)
    return read_as(dict[str, str], path, "run keras_negaposi.pairs again") if exists(path) else {}

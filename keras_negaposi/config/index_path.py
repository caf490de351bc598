"""Where an index is: in a folder, or in a PostgreSQL database that a URL names."""

from __future__ import annotations

import dataclasses
import urllib.parse

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.flag_values import parser_of
from checkpoints_tools.common.paths import path_problem

SCHEMES = ("postgresql", "postgres")
NAME = "index="
DEFAULT_NAME = "default"
LONGEST_NAME = 200
"""Characters of an index's name."""


@dataclasses.dataclass(frozen=True)
class DatabaseUrl:
    """An index in a database.

    Attributes:
        server: the URL for PostgreSQL's own library, which may contain a password.
        name: of the index.
        shown: the URL for messages, without user and password.
    """

    server: str
    name: str
    shown: str


def is_database(path: str) -> bool:
    """Returns whether the path of an index is the URL of a database."""
    return path.startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def database_url(url: str) -> DatabaseUrl:
    """Splits ``postgresql://USER@HOST:PORT/DATABASE?index=NAME``; without a name, it is `DEFAULT_NAME`.

    Raises:
        InputError: it cannot be split without doubt, or the name is too long.
    """
    address, _, query = url.partition("?")
    authority, _, database = address.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in database + query or any(map(str.isspace, url)):
        raise InputError("a part of the URL contains @ / ? or a space; write that character as %40 %2F %3F %20")
    options = [option for option in query.split("&") if option]
    names = [urllib.parse.unquote(option.removeprefix(NAME)) for option in options if option.startswith(NAME)]
    name = names[-1] if names else DEFAULT_NAME
    if not 0 < len(name) <= LONGEST_NAME or "\0" in name or not name.isprintable():
        raise InputError(f"the name of the index must have 1 to {LONGEST_NAME} printable characters")
    others = "&".join(option for option in options if not option.startswith(NAME))
    shown = f"postgresql://{authority.rpartition('@')[2]}/{database}" + (f"?{NAME}{name}" if names else "")
    return DatabaseUrl(address + (f"?{others}" if others else ""), name, shown)


def index_problem(path: str) -> str | None:
    """Explains why the path of an index is invalid, with the fix; returns ``None`` for a valid one."""
    if not is_database(path):
        return path_problem(path)
    try:
        database_url(path)
    except InputError as error:
        return str(error)
    return None


an_index = parser_of(str, check=index_problem)
"""argparse's type of an index."""

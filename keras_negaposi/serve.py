"""``python -m keras_negaposi.serve``: serves the suggestions of an index to browsers and programs (extra serve).

The suggestions page is at /, a page that suggests links while one writes at /write, and the description of the JSON
API at /openapi.json. Only this computer can reach it unless --host and a token are given. With --mcp there is no web
server: a program that speaks the Model Context Protocol, such as an assistant, starts the command and asks it (extra
mcp).

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from checkpoints_tools.common.cli import make_config, make_parser, run_command
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_text
from keras_negaposi.config import ServeConfig
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.index_path import an_index
from keras_negaposi.config.serving import LEAST_TOKEN

TOKEN_VARIABLE = "KERAS_NEGAPOSI_TOKEN"
PACKAGES = {"serve": ("fastapi", "uvicorn", "prometheus_client"), "mcp": ("mcp", "prometheus_client")}
"""What each extra brings that is needed here."""


def serve(arguments: argparse.Namespace) -> None:
    """Serves the index until the process is stopped."""
    given = given_options(ServeConfig, arguments)
    config = make_config(ServeConfig, given, given)
    if config.mcp:
        _check_packages("mcp")
        from keras_negaposi.server.mcp_tools import serve_tools

        serve_tools(arguments.index, config)
        return
    token = _token(config)
    _check_packages("serve")
    from keras_negaposi.server.serving import serve_index

    serve_index(arguments.index, config, token)


def _check_packages(extra: str) -> None:
    """Raises an `InputError` if a package of an extra is missing."""
    missing = [name for name in PACKAGES[extra] if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"serve: needs {', '.join(missing)}; pip install 'keras_negaposi[{extra}]'")


def _token(config: ServeConfig) -> str:
    """Returns the secret that clients must send; empty if they need none.

    Raises:
        InputError: there is none although other computers reach the server, or it is too short.
    """
    token, place = config.token or os.environ.get(TOKEN_VARIABLE, ""), "--token"
    if config.token_file:
        place = config.token_file
        token = read_text(config.token_file).partition("\n")[0].strip()
    if not token and not config.is_local:
        raise InputError(f"--host {config.host}: other computers could reach the server; give a --token_file too")
    if (token or config.token_file) and len(token) < LEAST_TOKEN:
        raise InputError(f"{place}: the token has {len(token)} characters; give one of at least {LEAST_TOKEN}")
    return token


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.serve", __doc__, "INDEX [--FLAG VALUE ...]")
    parser.add_argument(
        "index", metavar="INDEX", type=an_index, help="what keras_negaposi.index wrote: folder, or postgresql://"
    )
    add_options(parser, ServeConfig)
    return run_command(parser, serve, argv)


if __name__ == "__main__":
    sys.exit(main())

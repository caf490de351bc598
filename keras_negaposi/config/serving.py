"""How an index is served."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence

from checkpoints_tools.common.cli import at_least, between, option, path_option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import ACCESS, DATA, MODEL, OUTPUT

SCHEMES = ("http", "https", "chrome-extension", "moz-extension")
"""Schemes of origins. Some browser extensions that run userscripts send their own."""
LEAST_TOKEN = 16
"""Characters of the shortest token."""
_HTTP = Needs(lambda c: not c.mcp, "has no effect with --mcp")
_WATCHED = Needs(lambda c: c.watch, "has no effect without --watch")


def _origin_problem(value: object) -> str | None:
    """Returns what is wrong with a web page's origin."""
    scheme, _, rest = str(value).partition("://")
    good = scheme in SCHEMES and rest and not set(rest) & set("/?#@ *")
    return None if good else "must be an origin, such as https://scrapbox.io, without a path"


@dataclasses.dataclass(frozen=True)
class ServeConfig:
    """Options of ``keras_negaposi.serve``."""

    mcp: bool = option(
        False,
        "no web server: give programs that speak the Model Context Protocol suggestions and pages on stdin and stdout "
        "(extra mcp)",
        heading=ACCESS,
    )
    host: str = option(
        "127.0.0.1",
        "address to listen on; any but this computer's own needs a token",
        heading=ACCESS,
        needs=_HTTP,
    )
    port: int = option(
        8010, "port to listen on; 0: any that is free", check=between(0, 65536), heading=ACCESS, needs=_HTTP
    )
    token: str | None = option(
        None,
        f"secret of at least {LEAST_TOKEN} characters that clients must send; other users of the computer can see it, "
        "unlike --token_file or the environment variable KERAS_NEGAPOSI_TOKEN",
        heading=ACCESS,
        needs=Needs(lambda c: not c.token_file and not c.mcp, "has no effect with --token_file or --mcp"),
    )
    token_file: str | None = path_option(None, "file whose first line is the token", heading=ACCESS, needs=_HTTP)
    allow_host: Sequence[str] | None = option(
        None,
        "names under which browsers reach the server, such as wiki.example; this computer's and IP addresses are "
        "always allowed",
        several=True,
        heading=ACCESS,
        needs=_HTTP,
    )
    allow_origin: Sequence[str] | None = option(
        None,
        "origins of web pages that may ask the server, such as https://scrapbox.io",
        several=True,
        check=_origin_problem,
        heading=ACCESS,
        needs=_HTTP,
    )
    decisions: str | None = path_option(
        None,
        "SQLite file of the decisions (default: INDEX.decisions.sqlite, next to the index; in the user's cache folder "
        "if the index is in a database)",
        heading=OUTPUT,
    )
    watch: str | None = path_option(
        None,
        "folder of notes, or any source of keras_negaposi.pairs, that the index was made from; it is indexed again "
        "whenever a file changes",
        heading=DATA,
    )
    length: int = option(
        200,
        "length of a page in characters, as in keras_negaposi.pairs",
        check=at_least(10, 10**6),
        heading=DATA,
        needs=_WATCHED,
    )
    run: str | None = path_option(None, "folder of the run that made the index (default: where it was then)")
    negaposi: str | None = path_option(
        None,
        "negaposi.json or links.json: its positive pairs are known links (default: the pairs of the run)",
        heading=DATA,
        needs=_HTTP,
    )
    reranker: str | None = path_option(
        None,
        "folder of a finished run, or a SavedModel, that scores and sorts the best pages again where a request asks "
        "for it (default: the index's own run, if it has a partner, as --recipe best makes it). A run with a partner "
        "ranks better than a cross-encoder alone",
        heading=MODEL,
        needs=_HTTP,
    )
    approximate: bool | None = option(
        None,
        "vectors: search the nearest approximately (extra ann), or compare all (default: approximately from 200,000 "
        "pages on)",
        kind=bool,
    )
    all_pages: bool = option(
        True, "suggest links for all pages when no request waits, for the page at /", heading=OUTPUT, needs=_HTTP
    )
    rate: int = option(
        100,
        "requests per second that one address may send; 0: any number",
        check=at_least(0),
        heading=ACCESS,
        needs=_HTTP,
    )
    timeout: float = option(10.0, "seconds after which a request is refused", check=between(0.1, 600.0), heading=ACCESS)

    @property
    def is_local(self) -> bool:
        """Whether only this computer reaches the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

"""Runs the server: uvicorn with limits for slow clients, until a signal ends it after the requests that wait."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import ServeConfig
from keras_negaposi.server.api import make_app
from keras_negaposi.server.service import running

MOST_CONNECTIONS = 500
IDLE_SECONDS = 15
"""Seconds after which a connection without a request is closed."""
BACKLOG = 512


def serve_index(path: str, config: ServeConfig, token: str) -> None:
    """Serves an index until a signal ends the process.

    Args:
        path: folder of the index.
        config: of the server.
        token: secret that clients must send; empty if they need none.

    Raises:
        InputError: the index, a file or the address cannot be used.
    """
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listening(config))
        service = stack.enter_context(running(path, config))
        options = uvicorn.Config(
            make_app(service, config, token),
            http=_protocol(config.timeout),
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(config.timeout) + 1,
            limit_concurrency=MOST_CONNECTIONS,
        )
        listening.listen(BACKLOG)  # now, so that nobody who reads the next line is refused
        host, port = listening.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        say(f"{len(service.opened.index.store.pages):,} pages at http://{name}:{port}/ (Ctrl-C ends the server)")
        uvicorn.Server(options).run([listening])


@contextlib.contextmanager
def _listening(config: ServeConfig) -> Iterator[socket.socket]:
    """Yields a bound socket, so that a used port is noticed before the index is loaded."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # With the protocol named, asyncio turns off Nagle's algorithm, which would delay each answer by 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((config.host, config.port))
        except (OSError, OverflowError) as error:
            problem = getattr(error, "strerror", None) or error
            raise InputError(f"--port {config.port}: {config.host}: {problem}; give another port or host") from None
        listening.set_inheritable(False)
        yield listening


def _protocol(seconds: float) -> type[H11Protocol]:
    """Returns uvicorn's protocol with a limit for clients that send the head of a request slowly, or nothing."""

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._overdue = self.loop.call_later(seconds, self._end_if_idle)

        def connection_lost(self, exc: Exception | None) -> None:
            self._overdue.cancel()
            super().connection_lost(exc)

        def _end_if_idle(self) -> None:
            if self.cycle is None or (self.cycle.response_complete and self._has_begun()):
                self.transport.close()
            else:
                self._overdue = self.loop.call_later(seconds, self._end_if_idle)

        def _has_begun(self) -> bool:
            """Whether a part of the next request's head has come."""
            return bool(self.conn.trailing_data[0])

    return Impatient

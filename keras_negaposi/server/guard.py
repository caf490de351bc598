"""What a request must fulfil before anything else sees it, and the headers of every answer. Pure ASGI, no copies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import time
from collections import OrderedDict
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from checkpoints_tools.common.errors import quoted
from keras_negaposi.config import ServeConfig
from keras_negaposi.server.requests import MOST_BYTES, RequestError

COOKIE = "negaposi"
OPEN_PATHS = ("/healthz", "/login")
"""Paths that need no token."""
BURST_SECONDS = 2
"""Seconds of the allowed rate that may come at once."""
MOST_ADDRESSES = 10_000
"""Addresses whose rate is known."""
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of answers that are no page of ours."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": POLICY,
}


class Guard:
    """Refuses requests with one line of JSON and a status of 4xx.

    Args:
        app: answers the others.
        config: who may ask, how often and how long.
        token: secret that clients must send; empty if they need none.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig, token: str) -> None:
        self._app, self._config, self._token = app, config, token
        self._hosts = {"localhost", config.host, *(config.allow_host or ())}
        self._origins = set(config.allow_origin or ())
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks a request, and passes it on with a limited body and more headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in more if name not in given),
                ]
            await send(message)

        try:
            self._check(scope, Headers(scope=scope))
            await self._app(scope, self._limited(receive), send_with_headers)
        except RequestError as error:
            if started:
                raise
            await _refuse(error, send_with_headers)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raises a `RequestError` unless the request comes from where it may come from."""
        if not _is_allowed_host(headers.get("host", ""), self._hosts):
            raise RequestError(400, "Host: not a name of this server; see --allow_host")
        if self._config.rate and not self._is_within_rate((scope.get("client") or ("",))[0]):
            raise RequestError(429, "too many requests; wait a second")
        if not self._is_same_site(headers):
            origin = quoted(headers.get("origin", "unknown"))
            raise RequestError(403, f"Origin {origin}: this web page may not ask this server; see --allow_origin")
        preflight = scope["method"] == "OPTIONS"  # browsers send it without the token
        if self._token and scope["path"] not in OPEN_PATHS and not preflight and not self._has_token(headers):
            raise RequestError(401, "needs the token: Authorization: Bearer TOKEN, or log in at /login")

    def _is_same_site(self, headers: Headers) -> bool:
        """Returns whether the request comes from our own page, an allowed one, or no web page at all."""
        origin = headers.get("origin")
        if origin is None:
            # Without an origin, browsers send only what a link or an address bar could send.
            site = headers.get("sec-fetch-site", "none")
            return site in ("none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"
        return origin in self._origins or urlsplit(origin).netloc == headers.get("host")

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_token(given.strip(), self._token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), cookie_of(self._token).encode())

    def _is_within_rate(self, address: str) -> bool:
        """Takes one request out of an address's bucket, which fills up at the allowed rate."""
        now, rate = time.monotonic(), self._config.rate
        full = float(rate * BURST_SECONDS)
        left, before = self._buckets.pop(address, (full, now))
        left = min(full, left + (now - before) * rate)
        self._buckets[address] = (max(left - 1, 0.0), now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return left >= 1

    def _limited(self, receive: Receive) -> Receive:
        """Returns a ``receive`` that refuses a body that is too long or comes too slowly."""
        end, size, complete = time.monotonic() + self._config.timeout, 0, False

        async def limited() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()  # waits until the client has gone
            try:
                message = await asyncio.wait_for(receive(), max(end - time.monotonic(), 0.001))
            except TimeoutError:
                raise RequestError(408, "the request came too slowly") from None
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise RequestError(413, f"the request is longer than {MOST_BYTES:,} bytes")
            complete = not message.get("more_body", False)
            return message

        return limited


def is_token(given: str, token: str) -> bool:
    """Compares a token with the right one, in the same time whatever they share."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def cookie_of(token: str) -> str:
    """Returns the value of the cookie that stands for a token, from which the token cannot be computed."""
    return hmac.new(token.encode(), b"cookie of keras_negaposi.serve", hashlib.sha256).hexdigest()


def _is_allowed_host(host: str, names: Collection[str]) -> bool:
    """Returns whether a browser was sent here on purpose: an IP address cannot be rebound by somebody else's DNS."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(error: RequestError, send: Send) -> None:
    body = json.dumps({"error": error.detail}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": error.status_code, "headers": [*headers, (b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": body})

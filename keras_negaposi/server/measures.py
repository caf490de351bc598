"""What the server counts, in the format of Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Measures:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("negaposi_requests", "Requests.", ("path", "status"), registry=registry)
        self.seconds = Histogram("negaposi_seconds", "Time to answer.", ("path",), buckets=SECONDS, registry=registry)
        self.batch = Histogram(
            "negaposi_batch", "Questions that were answered together.", buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        self.kept = Counter("negaposi_kept_answers", "Questions that were answered from memory.", registry=registry)
        self.swaps = Counter("negaposi_swaps", "Times that a new index was swapped in.", registry=registry)
        self.waiting = Gauge("negaposi_waiting", "Questions that wait.", registry=registry)
        self.pages = Gauge("negaposi_pages", "Pages of the index.", registry=registry)
        self.suggested = Gauge(
            "negaposi_suggested", "Pages whose links are known for the page at /.", registry=registry
        )
        self.prepared = Gauge("negaposi_prepared", "Pages of which everything is computed ahead.", registry=registry)

    def text(self) -> bytes:
        """Returns all values in Prometheus' text format."""
        return generate_latest(self._registry)


class Measuring:
    """Counts the requests of an ASGI application, and how long their answers take.

    Args:
        app: answers them.
        measures: where they are counted.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app, self._measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if scope["type"] == "http":
                path = getattr(scope.get("route"), "path", "other")  # a path of its own for each would fill the memory
                self._measures.requests.labels(path, str(status)).inc()
                self._measures.seconds.labels(path).observe(time.perf_counter() - started)

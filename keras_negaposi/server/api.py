"""The HTTP routes, and how errors become one line of JSON."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from checkpoints_tools.common.errors import InputError, shortened
from keras_negaposi.config import ServeConfig
from keras_negaposi.data.decisions import checked_decision
from keras_negaposi.runtime.packages import installed
from keras_negaposi.server import asking, pages
from keras_negaposi.server.guard import Guard
from keras_negaposi.server.measures import Measuring
from keras_negaposi.server.messages import (
    Health,
    Kept,
    Match,
    MatchesAnswer,
    PagesAnswer,
    PredictAnswer,
    Prediction,
    PredictRequest,
    Problem,
    SuggestAnswer,
    SuggestRequest,
)
from keras_negaposi.server.requests import LONGEST_TITLE, MOST_DECISIONS, RequestError
from keras_negaposi.server.service import Service

logger = logging.getLogger(__name__)

MOST_PAGES_AT_ONCE = 200
LONGEST_LINE = 300
UNREAD = (408, 413)
"""Statuses after which the rest of the request is not read, so that the connection is closed."""
PROBLEMS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem}, "5XX": {"model": Problem}}
DECISION = {
    "description": 'a decision, or a list of them: {"a": title, "b": title, "decision": "accept", "reject" or "undo", '
    '"at": ISO time}',
}


def make_app(service: Service, config: ServeConfig, token: str) -> FastAPI:
    """Returns the ASGI application.

    Args:
        service: answers the requests.
        config: of the server.
        token: secret that clients must send; empty if they need none.
    """
    # The pages with the API's description are left out: they would load JavaScript from elsewhere.
    app = FastAPI(
        title="keras_negaposi",
        version=installed("keras-negaposi") or "0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    _add_routes(app, service)
    pages.add_routes(app, service, token)
    app.exception_handler(HTTPException)(_answer_error)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    app.exception_handler(Exception)(_answer_failure)
    # The last one is the outermost.
    app.add_middleware(Guard, config=config, token=token)
    app.add_middleware(Measuring, measures=service.measures)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(config.allow_origin or ()),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post("/suggest")
    async def suggest(asked: SuggestRequest) -> SuggestAnswer:
        """Suggests the pages that most likely come next after a text, a page, or the pages of a note."""
        return await asking.suggest(service, asked)

    @app.post("/predict")
    async def predict(asked: PredictRequest) -> PredictAnswer:
        """Scores pairs: the probability that B comes next after A, and the label."""
        sides = [((pair.text_a, pair.title_a), (pair.text_b, pair.title_b)) for pair in asked.pairs]
        pairs = await asyncio.to_thread(lambda: [(service.text(*a), service.text(*b)) for a, b in sides])
        scores, threshold = await service.score(pairs), service.opened.index.origin.threshold
        predictions = [Prediction(score=score, label=int(score > threshold)) for score in scores]
        return PredictAnswer(predictions=predictions, probabilities=service.has_probabilities)

    @app.get("/matches")
    async def matches(
        a: Annotated[str, Query(max_length=LONGEST_TITLE)], b: Annotated[str, Query(max_length=LONGEST_TITLE)]
    ) -> MatchesAnswer:
        """Returns the tokens of two pages that the model has matched, for the heads maxsim and dot."""
        found = await service.matched_tokens(a, b)
        return MatchesAnswer(matches=[Match(**match._asdict()) for match in found])

    @app.get("/pages")
    def find_pages(
        words: Annotated[str, Query(max_length=LONGEST_TITLE)] = "",
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_PAGES_AT_ONCE)] = 50,
    ) -> PagesAnswer:
        """Lists the pages that contain all words, whatever their case, width and kana script."""
        return asking.find_pages(service, words, start, count)

    @app.post("/decisions")
    def decide(value: Annotated[Any, Body(**DECISION)]) -> Kept:  # noqa: ANN401 - `checked_decision` checks it
        """Keeps decisions about links. After the answer they are on the disk."""
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= MOST_DECISIONS:
            raise RequestError(413, f"give 1 to {MOST_DECISIONS:,} decisions at once")
        try:
            decisions = [checked_decision(item, f"decision {row}") for row, item in enumerate(values, 1)]
            for decision in decisions:
                json.dumps(vars(decision), default=str, ensure_ascii=False).encode()  # SQLite stores no half surrogate
        except (InputError, UnicodeEncodeError) as error:
            raise RequestError(422, str(error)) from None
        service.log.add(decisions)
        return Kept(kept=len(decisions))

    @app.get("/decisions", response_class=StreamingResponse)
    def decisions() -> StreamingResponse:
        """Returns all decisions as JSON lines, which `keras_negaposi.pairs --decisions` reads."""
        lines: Iterator[str] = (f"{decision.to_line()}\n" for decision in service.log.all())
        return StreamingResponse(lines, media_type="application/jsonl")

    @app.get("/healthz")
    def health() -> Health:
        """Tells that the server answers."""
        index = service.opened.index
        return Health(
            status="ok",
            pages=len(index.store.pages),
            suggested=service.links.done(service.opened),
            note=service.note(),
        )

    @app.get("/metrics")
    def metrics() -> Response:
        """Returns counters in Prometheus' text format."""
        return Response(service.measured(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _answer(status: int, line: str) -> JSONResponse:
    headers = {"connection": "close"} if status in UNREAD else None
    return JSONResponse({"error": shortened(" ".join(line.split()), LONGEST_LINE)}, status, headers)


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, str(error.detail))


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return _answer(422, f"{place}: {first['msg']}" if place else first["msg"])


async def _answer_failure(_: Request, error: Exception) -> JSONResponse:
    # The message may name files. Starlette raises the exception again, so that it is in the log.
    return _answer(500, "the server failed; its log says why")

"""The pages for people: links of the whole wiki at /, suggestions while one writes at /write, and the log-in."""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from keras_negaposi.links_page.html_page import SERVER, security_policy, server_page
from keras_negaposi.server.guard import COOKIE, cookie_of, is_token
from keras_negaposi.server.requests import RequestError
from keras_negaposi.server.service import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of our own pages, whose JavaScript and CSS are files."""
OWN_FILES = {"write.js": "text/javascript", "write.css": "text/css"}


def add_routes(app: FastAPI, service: Service, token: str) -> None:
    """Adds the routes of the pages, which are not part of the API's description."""

    @app.get("/", include_in_schema=False)
    def links() -> HTMLResponse:
        policy = f"{security_policy(SERVER)}; frame-ancestors 'none'"
        return HTMLResponse(server_page(), headers={"content-security-policy": policy})

    @app.get("/data/{name}", include_in_schema=False)
    def data(name: str) -> Response:
        found = service.links.files(service.opened, newest=name == "manifest.json").get(name)
        if found is None:
            raise RequestError(404, "no such data")
        return Response(found, media_type="application/json")

    @app.get("/write", include_in_schema=False)
    def write() -> HTMLResponse:
        return _page("write.html")

    for name, kind in OWN_FILES.items():
        _add_file(app, name, kind)

    @app.get("/login", include_in_schema=False)
    def login_form() -> HTMLResponse:
        return _page("login.html")

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        given = parse_qs((await request.body()).decode("utf-8", "replace"))
        if not token or not is_token(given.get("token", [""])[0], token):
            raise RequestError(401, "not the token")
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="strict")
        return response


def _add_file(app: FastAPI, name: str, kind: str) -> None:
    @app.get(f"/{name}", include_in_schema=False)
    def file() -> Response:
        return Response(_read(name), media_type=kind)


def _page(name: str) -> HTMLResponse:
    return HTMLResponse(_read(name), headers={"content-security-policy": POLICY})


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")

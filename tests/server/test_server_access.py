"""Who may ask: the token, the Host header, other web pages; and the headers of every answer."""

import pytest

from keras_negaposi.serve import main

TOKEN = "a-secret-of-20-chars"


@pytest.mark.parametrize(
    "host, status",
    [
        *(
            ("localhost:8010", 200),
            ("127.0.0.1", 200),
            ("[::1]:80", 200),
            ("192.168.1.5:8010", 200),
            ("wiki.example", 200),
        ),
        *(
            ("evil.example", 400),
            ("localhost.evil.example", 400),
            ("", 400),
            ("[x", 400),
            ("127.0.0.1.evil.example", 400),
        ),
    ],
)
def test_names_of_others_are_refused(client, host, status):
    ask = client(allow_host=["wiki.example"])
    assert ask.get("/healthz", headers={"host": host}).status_code == status


def test_without_the_token_nothing_is_answered(client):
    ask = client(token=TOKEN)
    for path in ("/", "/write", "/openapi.json", "/pages", "/metrics", "/decisions", "/data/manifest.json"):
        answer = ask.get(path)
        assert answer.status_code == 401 and "doc0" not in answer.text
        wrong = {"authorization": f"Bearer {TOKEN[:-1]}x"}
        assert ask.get(path, headers=wrong).status_code == 401
        assert ask.get(path, headers={"authorization": f"Basic {TOKEN}"}).status_code == 401
    assert ask.get("/healthz").status_code == 200
    assert ask.get("/pages", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert ask.get("/pages", params={"token": TOKEN}).status_code == 401


def test_a_browser_logs_in_once(client):
    ask = client(token=TOKEN)
    assert ask.get("/login").status_code == 200
    assert ask.post("/login", data={"token": "wrong"}).status_code == 401
    answer = ask.post("/login", data={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert ask.get("/pages").status_code == 200
    assert client().post("/login", data={"token": ""}).status_code == 401


def test_other_web_pages_are_refused_unless_they_are_allowed(client):
    ask = client(allow_origin=["https://scrapbox.io", "moz-extension://0123-4567"])
    body = {"text": "りんご"}

    def post(**headers):
        return ask.post("/suggest", json=body, headers={name.replace("_", "-"): v for name, v in headers.items()})

    assert post().status_code == 200 and "access-control-allow-origin" not in post().headers
    assert post(origin="http://localhost").status_code == 200
    for wrong in ("https://evil.example", "null", "http://localhost:9", "https://scrapbox.io.evil.example"):
        answer = post(origin=wrong)
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
        assert answer.json()["error"].startswith(f'Origin "{wrong}": ')
    assert post(origin="moz-extension://0123-4567").status_code == 200
    assert post(sec_fetch_site="cross-site", sec_fetch_mode="cors").status_code == 403
    allowed = post(origin="https://scrapbox.io")
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == "https://scrapbox.io"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    assert ask.options("/suggest", headers={"origin": "https://scrapbox.io", **asked}).status_code == 200
    assert ask.options("/suggest", headers={"origin": "https://evil.example", **asked}).status_code == 400


def test_every_answer_has_the_headers(client):
    ask = client()
    for path in ("/", "/write", "/write.js", "/healthz", "/nothing", "/data/x", "/login"):
        headers = ask.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert "server" not in headers


@pytest.mark.parametrize(
    "flags, line",
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: other computers could reach the server; give a --token_file too"),
        (["--host", "0.0.0.0", "--token", "short"], "--token: the token has 5 characters; give one of at least 16"),
        (["--allow_origin", "scrapbox.io"], "--allow_origin"),
        (["--port", "65536"], "--port"),
    ],
)
def test_bad_flags_are_one_line(index_copy, capsys, flags, line):
    assert main([str(index_copy), *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and line in error

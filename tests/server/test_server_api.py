"""The JSON API: answers, limits, refusals, and that no answer names a file."""

import asyncio
import json
import random
import shutil
import time

import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.data.decisions import parse_decision
from keras_negaposi.links_page.message import Message
from keras_negaposi.retrieval import Index, build_index
from keras_negaposi.server import all_links

AT = "2026-11-28T18:40:11Z"


def error_of(response, status):
    assert response.status_code == status, response.text
    line = response.json()["error"]
    assert list(response.json()) == ["error"] and line and "\n" not in line
    return line


def test_suggestions_are_those_of_the_index(client, index_copy, corpus):
    ask, index = client(), Index(str(index_copy))
    for body, text in (({"title": "doc03,002"}, corpus["doc03,002"]), ({"text": "りんごを買う。"}, "りんごを買う。")):
        for _ in range(2):  # computed, and from memory
            answer = ask.post("/suggest", json=body | {"top": 5}).json()
            expected = index.suggest(text, 5)
            found = [(s["title"], s["text"], s["score"]) for s in answer["suggestions"]]
            assert found == [(s.title, s.text, pytest.approx(s.score, abs=1e-6)) for s in expected]
            assert answer["probabilities"] and answer["threshold"] == 0.5
    assert "negaposi_kept_answers_total 2.0" in ask.get("/metrics").text
    notes = [
        s["note"] for s in ask.post("/suggest", json={"title": "doc03,002", "one_per_note": True}).json()["suggestions"]
    ]
    assert len(set(notes)) == len(notes) > 3 and "doc03" not in notes


def test_many_questions_at_once_have_the_same_answers(client, corpus):
    ask = client()
    service = client.services[0]
    from keras_negaposi.server.answering import Question

    questions = [Question("", (title,), top) for title in list(corpus)[:40] for top in (3, 10)]
    one_by_one = [service._answering.suggest([question])[0].suggestions for question in questions]
    service.opened.answers._kept.clear()
    futures = [service._worker.submit(question) for question in questions]
    for future, expected in zip(futures, one_by_one, strict=True):
        found = future.result(60).suggestions
        assert [s.title for s in found] == [s.title for s in expected]
        assert [s.score for s in found] == pytest.approx([s.score for s in expected], abs=1e-6)
    assert 'negaposi_batch_bucket{le="1.0"} 8' in ask.get("/metrics").text  # the 80 above, and few large batches


def test_predictions_of_texts_and_titles(client, index_copy, corpus):
    ask, index = client(), Index(str(index_copy))
    a, b = "doc05,001", "doc05,002"
    pairs = [{"title_a": a, "title_b": b}, {"text_a": corpus[a], "text_b": "電車で話す。"}]
    answer = ask.post("/predict", json={"pairs": pairs}).json()["predictions"]
    assert answer[0]["score"] == pytest.approx(index.score(corpus[a], [b])[0], abs=1e-6)
    assert all(p["label"] == (p["score"] > 0.5) for p in answer)
    assert error_of(ask.post("/predict", json={"pairs": [{"title_a": a}]}), 422)
    unknown = error_of(ask.post("/predict", json={"pairs": [{"title_a": "doc05,01", "title_b": b}]}), 404)
    assert 'no such page among the 144 of the index; did you mean "doc05,0' in unknown


def test_an_index_without_token_vectors_has_no_matched_tokens(client):
    ask = client()
    assert ask.get("/matches", params={"a": "doc05,001", "b": "doc05,002"}).json() == {"matches": []}
    assert 'did you mean "doc05,0' in error_of(ask.get("/matches", params={"a": "doc05,01", "b": "doc05,002"}), 404)
    assert error_of(ask.get("/matches", params={"a": "doc05,001"}), 422).startswith("query.b: ")


def test_pages_are_searched_whatever_the_kana_and_width(client, corpus):
    ask = client()
    words = {"words": "リンゴ ＤＯＣ００"}
    answer = ask.get("/pages", params=words | {"count": 2}).json()
    assert answer["total"] == 6 and [page["title"] for page in answer["pages"]] == ["doc00,000", "doc00,001"]
    assert (
        ask.get("/pages", params={"words": "リンゴ ＤＯＣ００", "start": 5}).json()["pages"][0]["title"] == "doc00,005"
    )
    assert ask.get("/pages").json()["total"] == len(corpus)
    assert error_of(ask.get("/pages", params={"count": 1000}), 422).startswith("query.count: ")


def test_decisions_are_kept_and_their_pages_hidden(client, index_copy):
    ask = client()
    first = ask.post("/suggest", json={"title": "doc03,002"}).json()["suggestions"][0]["title"]
    decision = {"a": "doc03,002", "b": first, "decision": "accept", "at": AT}
    assert ask.post("/decisions", json=decision).json() == {"kept": 1}
    assert ask.post("/decisions", json=[decision | {"b": "x", "decision": "reject"}] * 2).json() == {"kept": 2}
    titles = [s["title"] for s in ask.post("/suggest", json={"title": "doc03,002"}).json()["suggestions"]]
    assert first not in titles
    all_of_them = ask.post("/suggest", json={"title": "doc03,002", "hide_decided": False}).json()["suggestions"]
    assert first in [s["title"] for s in all_of_them]
    ask.post("/decisions", json=decision | {"decision": "undo"})
    titles = [s["title"] for s in ask.post("/suggest", json={"title": "doc03,002"}).json()["suggestions"]]
    assert first in titles
    lines = ask.get("/decisions").text.splitlines()
    assert [parse_decision(line, "x").decision for line in lines] == ["accept", "reject", "reject", "undo"]
    assert lines[0] == json.dumps(decision, ensure_ascii=False)
    wrong = error_of(ask.post("/decisions", json=[decision, decision | {"decision": "perhaps"}]), 422)
    assert wrong.startswith("decision 2: decision: invalid enum value")
    assert len(ask.get("/decisions").text.splitlines()) == 4  # all of a request, or nothing
    assert (index_copy.parent / "index.decisions.sqlite").exists()


def test_every_route_is_described_without_other_servers(client):
    ask = client()
    paths = ask.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/suggest", "/predict", "/matches", "/pages", "/decisions", "/healthz", "/metrics"}
    assert set(paths["/decisions"]) == {"get", "post"}
    for path in ("/docs", "/redoc", "/nothing"):
        assert error_of(ask.get(path), 404) == "Not Found"
    health = ask.get("/healthz").json()
    assert health["status"] == "ok" and health["pages"] == 144


def malformed(rng):
    """A request that is wrong in one of many ways."""
    value = rng.choice(
        [None, True, -1, 0, 10**400, 1e308, "", " ", "\x00", "😀" * 20_001, [], {}, ["x"] * 50, {"a": 1}, "\ud800"]
    )
    name = rng.choice(["text", "title", "top", "rerank", "context", "one_per_note", "pairs", "a", "x" * 500, "\ud800"])
    path = rng.choice(["/suggest", "/predict", "/decisions", "/nothing", "/suggest/", "/data/../../etc/passwd"])
    body = json.dumps(rng.choice([value, {name: value}, {"title": value, "top": value}, [{name: value}]])).encode()
    cut = rng.randrange(len(body) + 1)
    body = rng.choice([body, body[:cut], body[:cut] + bytes([rng.randrange(256)]) + body[cut:], b"[" * 3000])
    kind = rng.choice(["application/json", "application/json", "text/plain", "application/x-www-form-urlencoded", ""])
    return path, body, {"content-type": kind}


async def sent(app, path, body, headers):
    """What the server answers, without a client that would take most of the time: status and body."""
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1)},
        "headers": [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in headers.items())],
    }
    answers, bodies = [], iter([{"type": "http.request", "body": body}])

    async def receive():
        return next(bodies, {"type": "http.disconnect"})

    async def send(message):
        answers.append(message)

    await app(scope, receive, send)
    return answers[0]["status"], b"".join(message.get("body", b"") for message in answers).decode()


def test_ten_thousand_malformed_requests_get_one_line(client, index_copy):
    ask, rng = client(), random.Random(0)

    async def send_all():
        return [(request, await sent(ask.app, *request)) for request in (malformed(rng) for _ in range(10_000))]

    answers = asyncio.run(send_all())
    refused = [(request, answer) for request, answer in answers if answer[0] != 200]
    assert len(refused) > 9_900  # a cut text is a valid request by chance
    for (path, body, _), (status, text) in refused:
        assert 400 <= status < 500, (path, body[:200], text)
        error = json.loads(text)
        assert list(error) == ["error"] and error["error"] and "\n" not in error["error"]
        assert str(index_copy.parent) not in text
    assert len({status for _, (status, _) in refused}) >= 3
    assert ask.post("/suggest", json={"title": "doc03,002"}).status_code == 200


def test_too_much_is_refused(client):
    ask = client()
    assert "20000 characters" in error_of(ask.post("/suggest", json={"text": "あ" * 20_001}), 422)
    assert error_of(ask.post("/suggest", json={"text": "あ", "top": 101}), 422).startswith("top: ")
    assert "2,000,000 bytes" in error_of(ask.post("/suggest", content=b" " * 2_000_001), 413)
    assert "without --reranker, and the index was made by no run with a partner" in error_of(
        ask.post("/suggest", json={"text": "あ", "rerank": 5}), 400
    )
    assert error_of(ask.post("/suggest", json={"text": "a", "title": "b"}), 422).endswith("give either text or title")
    limited = client(rate=1)
    assert {limited.get("/healthz").status_code for _ in range(8)} == {200, 429}


def test_all_links_are_computed_while_nobody_asks_and_resumed(client, monkeypatch):
    monkeypatch.setattr("keras_negaposi.server.worker.QUIET_SECONDS", 0.0)
    monkeypatch.setattr(all_links, "REFRESH_SECONDS", 0.0)
    ask = client(all_pages=True)
    end = time.monotonic() + 60
    while ask.get("/healthz").json()["suggested"] < 144 and time.monotonic() < end:
        time.sleep(0.1)
    manifest = ask.get("/data/manifest.json").json()
    assert manifest["notes"] == 24 and manifest["whole"]
    chunk = ask.get("/data/chunk-0.json").json()
    assert len(chunk["notes"]) == 24 and all(links for *_, links in chunk["notes"])
    assert error_of(ask.get("/data/chunk-9.json"), 404)
    client.services.pop().close()
    again = client(all_pages=False)
    service = client.services[0]
    service.links._begin(service.opened)
    assert again.get("/healthz").json()["suggested"] == 144


def test_pages_are_prepared_while_nobody_asks(client, corpus, monkeypatch):
    monkeypatch.setattr("keras_negaposi.server.worker.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("keras_negaposi.lexical.kept_features.PAGES_PER_STEP", 10)
    ask, end = client(), time.monotonic() + 60
    before = ask.post("/suggest", json={"title": "doc03,002"}).json()
    while f"negaposi_prepared {len(set(corpus.values()))}.0" not in ask.get("/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.05)
    monkeypatch.setattr("keras_negaposi.lexical.kept_features._pages_of", None)  # nothing is computed again
    assert (
        ask.post("/suggest", json={"title": "doc03,002", "top": 9}).json()["suggestions"][:5]
        == (before["suggestions"][:5])
    )


def test_the_folder_of_a_bert_is_not_shown_and_its_vectors_are_used(client, index_copy, tiny, corpus):
    shutil.rmtree(index_copy)
    names = ("init_checkpoint", "bert_config_file", "model_file", "vocab_file")
    flags = {name: tiny.flags[name] for name in names} | {"max_seq_length": 20}
    build_index(None, IndexConfig(honbun=tiny.flags["honbun"], output=str(index_copy), dtype="float32", **flags))
    ask, index = client(), Index(str(index_copy))
    note, manifest = ask.get("/healthz").json()["note"], ask.get("/data/manifest.json")
    key, values = manifest.json()["note"]
    assert "the untrained vectors of model.ckpt-7" in note and Message(key, values).english() == note
    assert str(tiny.folder) in index.origin.note.english() and str(tiny.folder) not in manifest.text
    pairs = [{"title_a": "doc05,001", "title_b": "doc05,002"}, {"text_a": "りんごを見る。", "title_b": "doc00,001"}]
    scores = [p["score"] for p in ask.post("/predict", json={"pairs": pairs}).json()["predictions"]]
    expected = [
        index.score(corpus["doc05,001"], ["doc05,002"])[0],
        index.score("りんごを見る。", ["doc00,001"])[0],
    ]
    assert scores == pytest.approx(expected, abs=1e-5)
    again = index.reopened()
    assert again.origin.scorer is not index.origin.scorer and again.origin.scorer.load is index.origin.scorer.load
    assert again.score(corpus["doc05,001"], ["doc05,002"]) == expected[:1]

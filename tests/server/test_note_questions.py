"""``POST /suggest`` with a note's title: its pages together, as ``suggest --title NOTE``."""

import pytest

from keras_negaposi.config import SuggestConfig
from keras_negaposi.retrieval import Index
from keras_negaposi.retrieval.link_formats import scrapbox_link
from keras_negaposi.retrieval.suggest import compute, merge, resolve
from keras_negaposi.server import asking


def found(response):
    assert response.status_code == 200, response.text
    return [(s["title"], s["score"]) for s in response.json()["suggestions"]]


def test_a_notes_title_gives_what_the_command_gives(client, index_copy):
    ask, index = client(), Index(str(index_copy))
    config = SuggestConfig(title=["doc03"], top=7)
    request = resolve(index, config)
    expected = merge([answers for _, answers in compute(index, request, config)], request, config)
    answer = ask.post("/suggest", json={"title": "doc03", "top": 7})
    assert found(answer) == [(s.title, pytest.approx(s.score, abs=1e-6)) for s in expected]
    assert all(s["scrapbox"] == scrapbox_link(s["note"]) for s in answer.json()["suggestions"])

    # Next to other titles, a note's title means its pages in order.
    pages = {"context": ["doc01,000"], "title": "doc03"}
    expected = {"context": ["doc01,000", *(f"doc03,{n:03d}" for n in range(5))], "title": "doc03,005"}
    assert found(ask.post("/suggest", json=pages)) == found(ask.post("/suggest", json=expected))


def test_only_new_pages_of_other_notes_are_suggested_for_a_note(client):
    ask = client()
    notes = ask.post("/suggest", json={"title": "doc03", "one_per_note": True}).json()["suggestions"]
    names = [s["note"] for s in notes]
    assert len(set(names)) == len(names) == 10 and "doc03" not in names
    decision = {"a": "doc03,004", "b": notes[0]["title"], "decision": "reject", "at": "2026-11-28T18:40:11Z"}
    ask.post("/decisions", json=decision)
    assert notes[0]["title"] not in dict(found(ask.post("/suggest", json={"title": "doc03"})))
    assert notes[0]["title"] in dict(found(ask.post("/suggest", json={"title": "doc03", "hide_decided": False})))


def test_unknown_titles_get_similar_ones_and_large_notes_are_refused(client, monkeypatch):
    ask = client()
    for body in ({"title": "doc3"}, {"text": "りんご", "context": ["doc3"]}):
        response = ask.post("/suggest", json=body)
        assert response.status_code == 404
        assert response.json()["error"].startswith('"doc3": no such page among the 144 of the index; did you mean "doc')
    monkeypatch.setattr(asking, "MOST_NOTE_PAGES", 5)
    response = ask.post("/suggest", json={"title": "doc03"})
    assert response.status_code == 422 and "more than 5 pages" in response.json()["error"]

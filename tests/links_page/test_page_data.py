"""What the suggestions page shows: the best pair of pages of two notes, who is alone, and JSON that stays JSON."""

import json

import pytest

from keras_negaposi.data.documents import Documents
from keras_negaposi.evaluation.baseline_comparison import STRONG_BASELINES, display_name
from keras_negaposi.links_page import page_data
from keras_negaposi.links_page.html_page import SCRIPTS, security_policy, server_page, static_page
from keras_negaposi.links_page.message import Message
from keras_negaposi.links_page.page_data import Link, Note, PageData, data_files
from keras_negaposi.retrieval.note_links import NoteLinks
from keras_negaposi.retrieval.suggestions import Suggestion

DOCUMENTS = Documents(r"^(.*),")
EVIL = "</script><b>&amp;\u202e\u2028\U000e0001'\""


def suggested(*pairs):
    return [Suggestion(title, title, score) for title, score in pairs]


def collected(top=2, known=(), likely=0.9):
    links = NoteLinks(DOCUMENTS, set(known), top)
    links.add("甲", "甲,000", suggested(("乙,000", 0.8), ("甲,001", 0.99), ("丙,001", 0.5), ("丁,000", 0.4)))
    links.add("甲", "甲,001", suggested(("丁,001", 0.95), ("乙,001", 0.7), ("丙,000", 0.6)))
    links.add("乙", "乙,000", suggested(("甲,000", 0.9)))
    first = {note: f"{note},000" for note in "甲乙丙丁"}
    return {note.title: note for note in links.notes(first, likely)}


def test_a_note_has_the_best_pair_of_pages_for_each_other_note():
    notes = collected()
    assert notes["甲"].links == (Link("甲,001", "丁,001", 0.95), Link("甲,000", "乙,000", 0.8))
    assert collected(top=3)["甲"].links[2] == Link("甲,001", "丙,000", 0.6)
    assert notes["丙"].links == () and notes["丙"].page == "丙,000"


def test_notes_are_linked_in_either_direction_and_do_not_count_against_the_limit():
    links = collected(known=[("丙,000", "甲,009"), ("甲,000", "甲,001")])["甲"].links
    assert [(link.b, link.linked) for link in links] == [("丁,001", False), ("乙,000", False), ("丙,000", True)]


def test_alone_is_what_no_known_link_and_no_likely_suggestion_leads_to():
    assert [note for note, found in collected().items() if found.alone] == ["乙", "丙"]
    assert [note for note, found in collected(known=[("丁,000", "丙,000")]).items() if found.alone] == ["乙"]
    assert [note for note, found in collected(top=3, likely=None).items() if found.alone] == []
    assert [note for note, found in collected(likely=0.96).items() if found.alone] == ["甲", "乙", "丙", "丁"]


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(page_data, "NOTES_PER_CHUNK", 2)
    notes = [
        Note("低", "低,000", (Link("低,000", "高,000", 0.2), Link("低,000", "中,000", 0.1))),
        Note("中", "中,000", (Link("中,001", "高,001", 0.5), Link("中,000", "低,000", 0.3, True))),
        Note("高", "高,000", (Link("高,000", "低,000", 0.9, parts=(1.234, -0.5, 0.1)),), alone=True),
        Note("無", EVIL, ()),
    ]
    titles = [f"{note},{page:03d}" for note in "低中高" for page in range(3)]
    texts = {title: f"{title}の本文" for title in titles} | {EVIL: EVIL}
    return PageData(notes, texts, {title: DOCUMENTS(title) for title in titles}, 0.5, ("lexical", "model", "base"))


def test_chunks_hold_each_text_once_and_the_most_certain_new_links_first(data):
    files = {name: json.loads(content) for name, content in data_files(data).items()}
    assert list(files) == ["manifest.json", "chunk-0.json", "chunk-1.json"]
    assert files["manifest.json"]["chunks"] == 2 and files["manifest.json"]["likely"] == 0.9
    chunks = [files["chunk-0.json"], files["chunk-1.json"]]
    assert [[note[0] for note in chunk["notes"]] for chunk in chunks] == [["高", "中"], ["低", "無"]]
    pages = [page for chunk in chunks for page in chunk["pages"]]
    titles = [title for title, _, _ in pages]
    # 低,001 and 高,002 are shown nowhere
    assert sorted(titles) == sorted([EVIL, "高,000", "高,001", "低,000", "中,000", "中,001"])
    assert all(text == data.texts[title] and note == data.note_of.get(title, title) for title, text, note in pages)
    (best,) = chunks[0]["notes"][0][3]
    assert [titles[best[0]], titles[best[1]], *best[2:]] == ["高,000", "低,000", 0.9, 0, 1.23, -0.5, 0.1]
    # No chunk needs a later one.
    known = 0
    for chunk in chunks:
        known += len(chunk["pages"])
        assert all(max(link[:2]) < known for note in chunk["notes"] for link in note[3])


def test_the_weaker_direction_of_a_pair_is_marked(data):
    links = {
        note[0]: note[3]
        for name in ("chunk-0.json", "chunk-1.json")
        for note in json.loads(data_files(data)[name])["notes"]
    }
    flags = {note: [link[3] for link in of_note] for note, of_note in links.items()}
    assert flags == {"高": [0], "中": [0, 1], "低": [2, 2], "無": []}


def test_nothing_in_a_text_leaves_its_script_element(data):
    page = b"".join(static_page(data)).decode()
    assert page.count("</script>") == len(SCRIPTS) + 1 + 1 + 2  # words, manifest, chunks
    assert not {"\u202e", "\u2028", "\U000e0001"} & set(page)
    assert "</script><b>" not in page and "http://" not in page and "https://" not in page


def test_the_page_for_a_server_holds_no_data_and_may_ask_its_server_alone():
    page = server_page()
    assert 'data-source="server"' in page and 'id="manifest"' not in page
    assert "connect-src 'self'" in security_policy("server")
    assert "connect-src 'none'" in security_policy("static")
    assert "unsafe" not in security_policy("server")


def test_both_languages_have_the_same_texts_with_the_same_values():
    from importlib.resources import files
    from re import findall

    words = json.loads((files("keras_negaposi.links_page") / "words.json").read_text(encoding="utf-8"))
    assert words.keys() == {"en", "ja"}
    assert list(words["en"]) == list(words["ja"])
    for key, text in words["en"].items():
        assert sorted(findall(r"\{\w+\}", text)) == sorted(findall(r"\{\w+\}", words["ja"][key])), key


def test_a_sentence_from_python_names_the_baselines_as_the_report_does():
    names = ", ".join(map(display_name, STRONG_BASELINES))
    assert f"did not significantly beat {names} on" in Message("unbeaten", {"baselines": STRONG_BASELINES}).english()
    assert "were fitted on 1,234 self-labelled" in Message("ranked_by_text", {"pairs": 1234}).english()

"""Suggestions from the index of a run: the best pages, as printed, as links and as a page."""

import json
import os
import re
import shutil
import unicodedata

import numpy as np
import pytest

from keras_negaposi.config import SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.index import main as index_main
from keras_negaposi.retrieval import Index, build, build_index
from keras_negaposi.retrieval.suggest import suggest
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.suggest import main as suggest_main
from tests.helpers.indexes import BY_RANKER, HEADS, index_config, write_pages

note_of = Documents(r"^(.*),")


@pytest.fixture(scope="module")
def pair_scorer(head_runs):
    return Scorer(str(head_runs / "pair"))


def refused(main, arguments, capsys, *words):
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(word in error for word in words), error


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_the_exported_parts_give_the_scores_of_the_whole_model(opened, head_runs, corpus, head):
    """Encoding, storing, memory-mapping and scoring give what `predict` gives for the same texts."""
    title, *_ = corpus
    whole = Scorer(str(head_runs / head))
    for other in list(corpus.values())[:5]:
        scores = opened(head).score_all(other)
        expected = [p for p, _ in whole.stream(((other, text) for text in corpus.values()), 16)]
        found = [scores[build.text_key(text)] for text in corpus.values()]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize("head", HEADS)
def test_suggestions_are_the_best_of_all_pages(opened, corpus, head):
    index = opened(head)
    title = list(corpus)[7]
    scores = index.score_all(corpus[title])
    best = sorted((scores[build.text_key(text)] for name, text in corpus.items() if name != title), reverse=True)
    found = index.suggest(corpus[title], 5, [title])
    assert [s.score for s in found] == pytest.approx(best[:5], abs=1e-5)
    assert all(corpus[s.title] == s.text and s.title != title for s in found)
    assert len({s.title for s in found}) == 5
    some = [s.title for s in found[::-1]] + [title]
    assert index.score(corpus[title], some) == pytest.approx(
        [scores[build.text_key(corpus[name])] for name in some], abs=1e-5
    )


@pytest.mark.parametrize("head", BY_RANKER)
def test_several_titles_are_one_query(opened, head_indexes, corpus, capsys, head):
    index, titles = opened(head), list(corpus)[7:10]
    assert suggest_main([str(head_indexes / head), "--title", *titles, "--top", "4", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = index.suggest([corpus[title] for title in titles], 4, titles)
    assert [(row["title"], row["score"]) for row in printed] == [(s.title, round(s.score, 6)) for s in found]
    scores, last = index.score_all([corpus[title] for title in titles]), index.score_all(corpus[titles[-1]])
    assert [s.score for s in found] == pytest.approx([scores[build.text_key(s.text)] for s in found], abs=1e-5)
    assert scores != last  # The pages before the last one have an effect.


@pytest.mark.parametrize("head", BY_RANKER)
def test_many_queries_together_give_what_each_gives_alone(opened, pair_scorer, corpus, head):
    index = opened(head)
    titles = list(corpus)[:40]  # More than one batch.
    queries = [[corpus[title]] for title in titles[:-1]] + [[corpus[title] for title in titles[-3:]]]
    skips = [[title] for title in titles]
    together = dict(index.suggest_each(queries, 3, skips, 4, pair_scorer))
    assert sorted(together) == list(range(40))
    for i in (0, 17, 38, 39):
        alone = index.suggest(queries[i], 3, skips[i], 4, pair_scorer)
        assert [s.score for s in together[i]] == pytest.approx([s.score for s in alone], abs=1e-5)
        assert titles[i] not in [s.title for s in together[i]]


def test_approximate_neighbours_are_the_exact_ones_among_few(opened, head_indexes, corpus):
    exact, approximate = opened("vector"), Index(str(head_indexes / "vector"), approximate=True)
    for text in list(corpus.values())[:10]:
        scores = [[s.score for s in index.suggest(text, 5)] for index in (exact, approximate)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_reranker_orders_the_best(opened, pair_scorer, corpus):
    index = opened("vector")
    title = list(corpus)[3]
    before = index.suggest(corpus[title], 12, [title])
    after = index.suggest(corpus[title], 12, [title], rerank=6, reranker=pair_scorer)
    expected, _ = pair_scorer.score([corpus[title]] * 6, [s.text for s in before[:6]])
    assert sorted(s.title for s in after[:6]) == sorted(s.title for s in before[:6])
    assert [s.score for s in after[:6]] == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-5)
    assert [s.title for s in after[6:]] == [s.title for s in before[6:]]


def test_bad_input_is_one_line(head_runs, head_indexes, tiny, tmp_path, capsys):
    vector = head_indexes / "vector"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("x")
    refused(index_main, [head_runs / "vector"], capsys, "--output is missing")
    refused(index_main, [tmp_path, "--output", tmp_path / "i"], capsys, "not the folder of a run")
    refused(index_main, [head_runs / "vector", "--output", tmp_path / "notes"], capsys, "notes: not an index")
    refused(index_main, [head_runs / "vector", "--output", "gs://b/i"], capsys, "give a local folder")
    refused(suggest_main, [vector], capsys, "--title is missing")
    refused(suggest_main, [vector, "--title", "a", "--text", "b"], capsys, "one of the two")
    refused(suggest_main, [vector, "--title", "ない"], capsys, '--title "ない": no such page')
    refused(suggest_main, [vector, "--text", "a", "--rerank", "3"], capsys, "--reranker is missing")
    refused(suggest_main, [tmp_path / "none", "--text", "a"], capsys, "none: not an index; make one with")
    refused(
        suggest_main, [head_indexes / "reduced", "--text", "a", "--approximate"], capsys, "--approximate", "reduced"
    )
    assert sorted(os.listdir(tmp_path / "notes")) == ["mine.txt"] and not (tmp_path / "i").exists()
    for damage in ("keys.json", "vector.npy"):
        index = tmp_path / damage
        build_index(str(head_runs / "vector"), index_config(tiny, index))
        (next(index.glob("segment-*")) / damage).write_bytes(b"[]")
        refused(suggest_main, [index, "--text", "a"], capsys, "the index is damaged")


@pytest.mark.parametrize("form", ["table", "tsv", "json"])
def test_suggest_prints(opened, head_indexes, corpus, capsys, form):
    title = next(iter(corpus))
    assert suggest_main([str(head_indexes / "vector"), "--title", title, "--top", "3", "--format", form]) == 0
    output = capsys.readouterr().out
    expected = opened("vector").suggest(corpus[title], 3, [title])
    if form == "json":
        assert [row["title"] for row in json.loads(output)] == [s.title for s in expected]
    else:
        for line, suggestion in zip(output.splitlines(), expected, strict=True):
            digits = 3 if form == "table" else 6
            assert suggestion.title in line and f"{suggestion.score:.{digits}f}" in line


def test_a_title_is_found_in_either_unicode_form(head_runs, tiny, tmp_path, capsys):
    pages = {unicodedata.normalize("NFD", "ガーデン,000"): "庭の話", "プール,000": "池の話", "石,000": "石の話"}
    index = str(tmp_path / "index")
    build_index(
        str(head_runs / "vector"), index_config(tiny, index, honbun=write_pages(tmp_path / "pages.json", pages))
    )
    capsys.readouterr()
    for name in pages:
        for form in ("NFC", "NFD"):
            assert suggest_main([index, "--title", unicodedata.normalize(form, name), "--format", "json"]) == 0
            found = {row["title"] for row in json.loads(capsys.readouterr().out)}
            assert found == pages.keys() - {name}


@pytest.mark.parametrize("form", ["scrapbox", "markdown"])
def test_links_to_paste(opened, head_indexes, corpus, capsys, tmp_path, form):
    index, title, document = str(head_indexes / "vector"), "doc00,002", Documents(r"^(.*),")
    ranked = opened("vector").suggest(corpus[title], len(corpus), [title])
    linked = document(next(found.title for found in ranked if document(found.title) != "doc00"))
    (tmp_path / "links.json").write_text(json.dumps({"posi": [["doc00,000", f"{linked},000"]]}))
    arguments = [index, "--title", title, "--negaposi", str(tmp_path / "links.json"), "--format", form, "--top", "4"]
    assert suggest_main([*arguments, "--min_probability", "0"]) == 0
    others = dict.fromkeys(document(found.title) for found in ranked)
    expected = [name for name in others if name not in ("doc00", linked)][:4]
    written = {"scrapbox": "[{0}]", "markdown": "- [{0}]({0}.md)"}[form]
    assert capsys.readouterr().out.splitlines() == [written.format(name) for name in expected]
    assert suggest_main([*arguments, "--min_probability", "1"]) == 0
    assert capsys.readouterr().out.strip() == ""


def test_known_links_can_be_skipped_and_the_unlikely_left_out(opened, head_indexes, corpus, capsys, tmp_path):
    index, title = str(head_indexes / "vector"), "doc00,002"
    best, second, *_ = opened("vector").suggest(corpus[title], 9, [title])
    (tmp_path / "links.json").write_text(json.dumps({"posi": [[title, best.title]]}))
    arguments = [index, "--title", title, "--format", "json"]
    assert suggest_main([*arguments, "--skip_linked", "--negaposi", str(tmp_path / "links.json")]) == 0
    assert json.loads(capsys.readouterr().out)[0]["title"] == second.title
    assert suggest_main([*arguments, "--min_probability", str((best.score + second.score) / 2)]) == 0
    assert [row["title"] for row in json.loads(capsys.readouterr().out)] == [best.title]


def test_links_to_paste_name_the_file_that_a_note_is_in(head_runs, tiny, corpus, capsys, tmp_path):
    title, document = "doc00,002", Documents(r"^(.*),")
    files = {document(name): f"{document(name)}.markdown" for name in corpus if not name.startswith("doc01")}
    (tmp_path / "note_files.json").write_text(json.dumps(files), encoding="utf-8")
    honbun = write_pages(tmp_path / "honbun_data.json", corpus)
    build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index", honbun=honbun))
    arguments = [str(tmp_path / "index"), "--title", title, "--format", "markdown", "--top", "50"]
    assert suggest_main([*arguments, "--min_probability", "0"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written and all(line.endswith(".md)") == ("doc01" in line) for line in written)


def test_the_page_holds_every_page_and_shows_texts_as_text(head_runs, tiny, corpus, tmp_path):
    evil = "<script>alert(1)</script></script>\u202eabc&\"'" + "長" * 50_000
    pages = dict(corpus) | {"悪い<b>,000": evil}
    honbun = write_pages(tmp_path / "pages.json", pages)
    build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index", honbun=honbun))
    links = write_pages(tmp_path / "links.json", [["doc02,000", "doc01,003", 1]])
    options = SuggestConfig(html=str(tmp_path / "page.html"), top=150, negaposi=links)
    assert suggest(str(tmp_path / "index"), options).text == ""
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "\u202e" not in page and "http:" not in page and "https:" not in page
    (chunk,) = [json.loads(text) for text in re.findall(r'<script id="chunk-\d+" .*?>(.*?)</script>', page)]
    assert sorted(note for note, *_ in chunk["notes"]) == sorted({note_of(title) for title in pages})
    texts = {title: text for title, text, _ in chunk["pages"]}
    assert texts.items() <= pages.items() and texts["悪い<b>,000"] == evil
    titles = [title for title, *_ in chunk["pages"]]
    links = [(titles[a], titles[b], flags) for *_, of_note in chunk["notes"] for a, b, _, flags in of_note]
    assert all(note_of(a) != note_of(b) for a, b, _ in links)
    linked = {frozenset((note_of(a), note_of(b))) for a, b, flags in links if flags & 1}
    assert linked == {frozenset((note_of(a), note_of(b))) for a, b, _ in links} & {frozenset(("doc02", "doc01"))}
    assert linked


@pytest.mark.parametrize("beats", [True, False])
def test_a_run_that_did_not_beat_its_baselines_is_warned_of(head_runs, head_indexes, tmp_path, caplog, beats):
    shutil.copytree(head_runs / "vector", tmp_path / "run")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    for baseline in metrics["baselines"].values():
        baseline["mcnemar"] = {"first_alone": 40, "second_alone": 10, "p_value": 0.001 if beats else 0.2}
    (tmp_path / "run/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    page = tmp_path / "page.html"
    arguments = [str(head_indexes / "vector"), "--run", str(tmp_path / "run"), "--html", str(page), "--top", "1"]
    assert suggest_main([*arguments, "--fail_on_warning"]) == (0 if beats else 1)
    assert suggest_main(arguments) == 0
    assert ("did not significantly beat TF-IDF cosine, lexical features, linear probe" in caplog.text) == (not beats)
    (manifest,) = re.findall(r'<script id="manifest".*?>(.*?)</script>', page.read_text(encoding="utf-8"))
    warning = json.loads(manifest)["warning"]
    assert warning is None if beats else warning[0] == "unbeaten" and "frozen encoder" in warning[1]["baselines"]


def test_matched_tokens_are_those_with_the_highest_cosines(opened, head_indexes, corpus, tmp_path):
    index, page = opened("maxsim"), tmp_path / "page.html"
    a, b = corpus["doc03,002"], corpus["doc03,003"]
    found = index.matched_tokens(a, b)
    weights = [match.weight for match in found]
    assert 0 < len(found) <= 5 and weights == sorted(weights, reverse=True)
    assert all(match.a in a and match.b in b for match in found)
    keys_a, keys_b = (index.origin.scorer.encode(side, [text])["keys"][0] for side, text in (("a", a), ("b", b)))
    cosines = (keys_a @ keys_b.T)[1:-1, 1:-1]
    assert all(np.isclose(cosines, weight, atol=1e-6).any() for weight in weights)
    assert not opened("vector").matched_tokens(a, b)
    arguments = [str(head_indexes / "maxsim"), "--title", "doc03,002", "--top", "3", "--html", str(page)]
    assert suggest_main(arguments) == 0
    (chunk,) = re.findall(r'<script id="chunk-0".*?>(.*?)</script>', page.read_text(encoding="utf-8"))
    links = [link for *_, of_note in json.loads(chunk)["notes"] for link in of_note]
    assert links and all(len(match) == 2 for link in links for match in link[-1])

"""Building an index, and the suggestions made from it."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig, PairsConfig, SuggestConfig, TrainConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.index import main as index_main
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pair_generation.mined_negatives import mined_pages
from keras_negaposi.retrieval import Index, build, build_index
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.store import Store
from keras_negaposi.retrieval.suggest import suggest
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.suggest import main as suggest_main
from keras_negaposi.training.run import run
from tests.helpers.runs import QUICK

HEADS = ["vector", "reduced", "maxsim", "midfusion"]


@pytest.fixture(scope="module")
def runs(tiny, finished_run, tmp_path_factory):
    """A finished run of each head, and of ``pair``; the frozen encoder's embeddings are the same for all."""
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder / "pair", **QUICK)
    cache = str(folder / "vectors.npz")
    for head in HEADS:
        run(TrainConfig(**tiny.flags | QUICK, head=head, embedding_cache=cache, output_dir=str(folder / head)))
    return folder


@pytest.fixture(scope="module")
def indexes(runs, tiny, tmp_path_factory):
    """A finished index of each head, in float32 so that scores can be compared closely."""
    folder = tmp_path_factory.mktemp("indexes")
    for head in HEADS:
        build_index(str(runs / head), config(tiny, folder / head, dtype="float32"))
    return folder


def config(tiny, output, **options):
    return IndexConfig(**{"honbun": tiny.flags["honbun"], "output": str(output)} | options)


note_of = Documents(r"^(.*),")


def write_pages(path, pages):
    path.write_text(json.dumps(pages, ensure_ascii=False), encoding="utf-8")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_the_exported_parts_give_the_scores_of_the_whole_model(runs, indexes, corpus, head):
    """Encoding, storing, memory-mapping and scoring give what `predict` gives for the same texts."""
    title, *_ = corpus
    whole = Scorer(str(runs / head))
    for other in list(corpus.values())[:5]:
        scores = Index(str(indexes / head)).score_all(other)
        expected = [p for p, _ in whole.stream(((other, text) for text in corpus.values()), 16)]
        found = [scores[build.text_key(text)] for text in corpus.values()]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize("head", HEADS)
def test_suggestions_are_the_best_of_all_pages(runs, indexes, corpus, head):
    index = Index(str(indexes / head))
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


@pytest.mark.parametrize("head", HEADS)
def test_several_titles_are_one_query(indexes, corpus, capsys, head):
    index, titles = Index(str(indexes / head)), list(corpus)[7:10]
    assert suggest_main([str(indexes / head), "--title", *titles, "--top", "4", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = index.suggest([corpus[title] for title in titles], 4, titles)
    assert [(row["title"], row["score"]) for row in printed] == [(s.title, round(s.score, 6)) for s in found]
    scores, last = index.score_all([corpus[title] for title in titles]), index.score_all(corpus[titles[-1]])
    assert [s.score for s in found] == pytest.approx([scores[build.text_key(s.text)] for s in found], abs=1e-5)
    assert scores != last  # The pages before the last one have an effect.


@pytest.mark.parametrize("head", HEADS)
def test_many_queries_together_give_what_each_gives_alone(runs, indexes, corpus, head):
    index, reranker = Index(str(indexes / head)), Scorer(str(runs / "pair"))
    titles = list(corpus)[:40]  # More than one batch.
    queries = [[corpus[title]] for title in titles[:-1]] + [[corpus[title] for title in titles[-3:]]]
    skips = [[title] for title in titles]
    together = dict(index.suggest_each(queries, 3, skips, 4, reranker))
    assert sorted(together) == list(range(40))
    for i in (0, 17, 38, 39):
        alone = index.suggest(queries[i], 3, skips[i], 4, reranker)
        assert [s.score for s in together[i]] == pytest.approx([s.score for s in alone], abs=1e-5)
        assert titles[i] not in [s.title for s in together[i]]


def test_approximate_neighbours_are_the_exact_ones_among_few(indexes, corpus):
    exact, approximate = Index(str(indexes / "vector")), Index(str(indexes / "vector"), approximate=True)
    for text in list(corpus.values())[:10]:
        scores = [[s.score for s in index.suggest(text, 5)] for index in (exact, approximate)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_reranker_orders_the_best(runs, indexes, corpus):
    index, pair = Index(str(indexes / "vector")), Scorer(str(runs / "pair"))
    title = list(corpus)[3]
    before = index.suggest(corpus[title], 12, [title])
    after = index.suggest(corpus[title], 12, [title], rerank=6, reranker=pair)
    expected, _ = pair.score([corpus[title]] * 6, [s.text for s in before[:6]])
    assert sorted(s.title for s in after[:6]) == sorted(s.title for s in before[:6])
    assert [s.score for s in after[:6]] == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-5)
    assert [s.title for s in after[6:]] == [s.title for s in before[6:]]


def test_only_what_has_changed_is_encoded(runs, tiny, corpus, tmp_path, monkeypatch):
    encoded = []
    original = CachedScorer.encode
    monkeypatch.setattr(
        CachedScorer, "encode", lambda self, side, texts: encoded.append(texts) or original(self, side, texts)
    )
    pages = dict(corpus) | {"同じ本文,000": next(iter(corpus.values()))}
    honbun = write_pages(tmp_path / "pages.json", pages)
    build_index(str(runs / "vector"), config(tiny, tmp_path / "index", honbun=honbun))
    assert sorted(sum(encoded, [])) == sorted(set(corpus.values()))  # Each text is encoded once.
    encoded.clear()
    build_index(str(runs / "vector"), config(tiny, tmp_path / "index", honbun=honbun))
    assert not encoded
    first, second, *_ = pages
    pages[first], pages["新しい,000"] = "書き直した本文。", "新しい本文。"
    del pages[second]
    write_pages(tmp_path / "pages.json", pages)
    store = build_index(str(runs / "vector"), config(tiny, tmp_path / "index", honbun=honbun))
    assert sorted(sum(encoded, [])) == ["新しい本文。", "書き直した本文。"]
    assert store.pages == pages
    titles = {s.title for s in Index(str(tmp_path / "index")).suggest("本文。", 1000)}
    assert titles == set(pages)


def test_beam_makes_the_same_index(runs, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "TEXTS_PER_SEGMENT", 40)
    folders = [tmp_path / "here", tmp_path / "beam"]
    for folder, more in zip(folders, [{}, {"runner": "DirectRunner", "runner_folder": str(tmp_path)}], strict=True):
        build_index(str(runs / "vector"), config(tiny, folder, **more))
    here, beam = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert here == beam and len(here) > 8
    assert sorted(tmp_path.iterdir()) == sorted(folders)


@pytest.mark.parametrize("head", HEADS)
def test_segments_of_any_size_and_their_compaction_keep_the_scores(
    runs, indexes, tiny, corpus, tmp_path, monkeypatch, head
):
    monkeypatch.setattr(build, "TEXTS_PER_SEGMENT", 20)
    build_index(str(runs / head), config(tiny, tmp_path / "index", dtype="float32"))
    assert len(Store(str(tmp_path / "index")).segments) > 3
    few = dict(list(corpus.items())[:30])
    honbun = write_pages(tmp_path / "few.json", few)
    store = build_index(str(runs / head), config(tiny, tmp_path / "index", dtype="float32", honbun=honbun))
    assert len(store.keys()) < 2 * len(few) + 1
    text = next(iter(corpus.values()))
    expected, found = (Index(str(path)).score_all(text) for path in (indexes / head, tmp_path / "index"))
    for kept in few.values():
        assert found[build.text_key(kept)] == pytest.approx(expected[build.text_key(kept)], abs=1e-5)
    folders = {name for name in os.listdir(tmp_path / "index") if name.startswith("segment-")}
    assert folders == set(store.segments)


@pytest.mark.slow
def test_a_killed_index_is_valid_and_continues(runs, tiny, corpus, tmp_path):
    code = (
        "import sys, time\n"
        "from keras_negaposi.retrieval import build\n"
        "from keras_negaposi.config import IndexConfig\n"
        "build.TEXTS_PER_SEGMENT = 8\n"
        "original = build.Store.add\n"
        "def slow(self, *a):\n"
        "    original(self, *a); print('added', flush=True); time.sleep(0.2)\n"
        "build.Store.add = slow\n"
        "build.build_index(sys.argv[1], IndexConfig(honbun=sys.argv[2], output=sys.argv[3]))\n"
    )
    arguments = [str(runs / "vector"), tiny.flags["honbun"], str(tmp_path / "index")]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    seen = 0
    for line in process.stdout:
        seen += line == "added\n"
        if seen == 3:
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = Store(str(tmp_path / "index"))
    assert 24 <= len(store.keys()) < len(set(corpus.values()))
    with pytest.raises(InputError, match="texts are not encoded yet"):
        Index(str(tmp_path / "index"))
    left = tmp_path / f"index/{temporary.PREFIX}{temporary._machine()}-12345678{temporary.SUFFIX}"
    left.mkdir()  # A process killed while it writes a segment leaves this.
    store = build_index(str(runs / "vector"), config(tiny, tmp_path / "index"))
    assert store.keys() == {build.text_key(text) for text in corpus.values()}
    assert not left.exists()
    Index(str(tmp_path / "index")).suggest("本文", 3)


def test_another_model_is_refused_by_name(runs, indexes, tiny, tmp_path):
    with pytest.raises(InputError, match="made with another dtype"):
        build_index(str(runs / "vector"), config(tiny, indexes / "vector", dtype="float16"))
    with pytest.raises(InputError, match="made with another weights"):
        build_index(str(runs / "midfusion"), config(tiny, indexes / "vector", dtype="float32"))
    with pytest.raises(InputError, match="made with another weights"):
        Index(str(indexes / "vector"), str(runs / "reduced"))
    with pytest.raises(InputError, match="its head pair does not encode B separately"):
        build_index(str(runs / "pair"), config(tiny, tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_another_tokenizer_is_refused_by_name(runs, indexes, tmp_path):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(runs / "vector", copy)
    vocabulary = copy / "tokenizer.vocab"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "新\t-9\n", encoding="utf-8")
    with pytest.raises(InputError, match="made with another tokenizer"):
        Index(str(indexes / "vector"), str(copy))


def refused(main, arguments, capsys, *words):
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(word in error for word in words), error


def test_bad_input_is_one_line(runs, indexes, tiny, tmp_path, capsys):
    vector = indexes / "vector"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("x")
    refused(index_main, [runs / "vector"], capsys, "--output is missing")
    refused(index_main, [tmp_path, "--output", tmp_path / "i"], capsys, "not the folder of a run")
    refused(index_main, [runs / "vector", "--output", tmp_path / "notes"], capsys, "notes: not an index")
    refused(index_main, [runs / "vector", "--output", "gs://b/i"], capsys, "give a local folder")
    refused(suggest_main, [vector], capsys, "--title is missing")
    refused(suggest_main, [vector, "--title", "a", "--text", "b"], capsys, "one of the two")
    refused(suggest_main, [vector, "--title", "ない"], capsys, '--title "ない": no such page')
    refused(suggest_main, [vector, "--text", "a", "--rerank", "3"], capsys, "--reranker is missing")
    refused(suggest_main, [tmp_path / "none", "--text", "a"], capsys, "none: not an index; make one with")
    refused(suggest_main, [indexes / "reduced", "--text", "a", "--approximate"], capsys, "--approximate", "reduced")
    assert sorted(os.listdir(tmp_path / "notes")) == ["mine.txt"] and not (tmp_path / "i").exists()
    for damage in ("keys.json", "vector.npy"):
        index = tmp_path / damage
        build_index(str(runs / "vector"), config(tiny, index))
        (next(index.glob("segment-*")) / damage).write_bytes(b"[]")
        refused(suggest_main, [index, "--text", "a"], capsys, "the index is damaged")


@pytest.mark.parametrize("form", ["table", "tsv", "json"])
def test_suggest_prints(indexes, corpus, capsys, form):
    title = next(iter(corpus))
    assert suggest_main([str(indexes / "vector"), "--title", title, "--top", "3", "--format", form]) == 0
    output = capsys.readouterr().out
    expected = Index(str(indexes / "vector")).suggest(corpus[title], 3, [title])
    if form == "json":
        assert [row["title"] for row in json.loads(output)] == [s.title for s in expected]
    else:
        for line, suggestion in zip(output.splitlines(), expected, strict=True):
            digits = 3 if form == "table" else 6
            assert suggestion.title in line and f"{suggestion.score:.{digits}f}" in line


def test_a_title_is_found_in_either_unicode_form(runs, tiny, tmp_path, capsys):
    pages = {unicodedata.normalize("NFD", "ガーデン,000"): "庭の話", "プール,000": "池の話", "石,000": "石の話"}
    index = str(tmp_path / "index")
    build_index(str(runs / "vector"), config(tiny, index, honbun=write_pages(tmp_path / "pages.json", pages)))
    capsys.readouterr()
    for name in pages:
        for form in ("NFC", "NFD"):
            assert suggest_main([index, "--title", unicodedata.normalize(form, name), "--format", "json"]) == 0
            found = {row["title"] for row in json.loads(capsys.readouterr().out)}
            assert found == pages.keys() - {name}


@pytest.mark.parametrize("form", ["scrapbox", "markdown"])
def test_links_to_paste(indexes, corpus, capsys, tmp_path, form):
    index, title, document = str(indexes / "vector"), "doc00,002", Documents(r"^(.*),")
    ranked = Index(index).suggest(corpus[title], len(corpus), [title])
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


def test_known_links_can_be_skipped_and_the_unlikely_left_out(indexes, corpus, capsys, tmp_path):
    index, title = str(indexes / "vector"), "doc00,002"
    best, second, *_ = Index(index).suggest(corpus[title], 9, [title])
    (tmp_path / "links.json").write_text(json.dumps({"posi": [[title, best.title]]}))
    arguments = [index, "--title", title, "--format", "json"]
    assert suggest_main([*arguments, "--skip_linked", "--negaposi", str(tmp_path / "links.json")]) == 0
    assert json.loads(capsys.readouterr().out)[0]["title"] == second.title
    assert suggest_main([*arguments, "--min_probability", str((best.score + second.score) / 2)]) == 0
    assert [row["title"] for row in json.loads(capsys.readouterr().out)] == [best.title]


def test_links_to_paste_name_the_file_that_a_note_is_in(runs, tiny, corpus, capsys, tmp_path):
    title, document = "doc00,002", Documents(r"^(.*),")
    files = {document(name): f"{document(name)}.markdown" for name in corpus if not name.startswith("doc01")}
    (tmp_path / "note_files.json").write_text(json.dumps(files), encoding="utf-8")
    honbun = write_pages(tmp_path / "honbun_data.json", corpus)
    build_index(str(runs / "vector"), config(tiny, tmp_path / "index", honbun=honbun))
    arguments = [str(tmp_path / "index"), "--title", title, "--format", "markdown", "--top", "50"]
    assert suggest_main([*arguments, "--min_probability", "0"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written and all(line.endswith(".md)") == ("doc01" in line) for line in written)


def test_mined_negatives_are_pages_that_the_model_ranks_high(indexes, tiny, corpus, tmp_path):
    index = str(indexes / "vector")
    a, ranking = list(corpus)[7], Index(index)
    near = mined_pages(index, corpus.__getitem__)([a], [])
    assert near == {a: [found.title for found in ranking.suggest(corpus[a], 50, [a])]}
    options = PairsConfig(
        output=str(tmp_path / "m"), negative="mined", index=index, hard_share=1.0, keep_duplicates=True
    )
    pairs = make_pairs(tiny.flags["honbun"], options)
    drawn = make_pairs(
        tiny.flags["honbun"], dataclasses.replace(options, output=str(tmp_path / "r"), negative="random")
    )
    assert set(pairs) != set(drawn)
    assert len({pair.b for pair in pairs}) == len(pairs)


def test_the_page_holds_every_page_and_shows_texts_as_text(runs, tiny, corpus, tmp_path):
    evil = "<script>alert(1)</script></script>\u202eabc&\"'" + "長" * 50_000
    pages = dict(corpus) | {"悪い<b>,000": evil}
    honbun = write_pages(tmp_path / "pages.json", pages)
    build_index(str(runs / "vector"), config(tiny, tmp_path / "index", honbun=honbun))
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
def test_a_run_that_did_not_beat_its_baselines_is_warned_of(runs, indexes, tmp_path, caplog, beats):
    shutil.copytree(runs / "vector", tmp_path / "run")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    for baseline in metrics["baselines"].values():
        baseline["mcnemar"] = {"first_alone": 40, "second_alone": 10, "p_value": 0.001 if beats else 0.2}
    (tmp_path / "run/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    page = tmp_path / "page.html"
    arguments = [str(indexes / "vector"), "--run", str(tmp_path / "run"), "--html", str(page), "--top", "1"]
    assert suggest_main([*arguments, "--fail_on_warning"]) == (0 if beats else 1)
    assert suggest_main(arguments) == 0
    assert ("did not significantly beat TF-IDF cosine, lexical features, linear probe" in caplog.text) == (not beats)
    (manifest,) = re.findall(r'<script id="manifest".*?>(.*?)</script>', page.read_text(encoding="utf-8"))
    warning = json.loads(manifest)["warning"]
    assert warning is None if beats else warning[0] == "unbeaten" and "frozen encoder" in warning[1]["baselines"]


def test_matched_tokens_are_those_with_the_highest_cosines(indexes, corpus, tmp_path):
    index, page = Index(str(indexes / "maxsim")), tmp_path / "page.html"
    a, b = corpus["doc03,002"], corpus["doc03,003"]
    found = index.matched_tokens(a, b)
    weights = [match.weight for match in found]
    assert 0 < len(found) <= 5 and weights == sorted(weights, reverse=True)
    assert all(match.a in a and match.b in b for match in found)
    keys_a, keys_b = (index.origin.scorer.encode(side, [text])["keys"][0] for side, text in (("a", a), ("b", b)))
    cosines = (keys_a @ keys_b.T)[1:-1, 1:-1]
    assert all(np.isclose(cosines, weight, atol=1e-6).any() for weight in weights)
    assert not Index(str(indexes / "vector")).matched_tokens(a, b)
    arguments = [str(indexes / "maxsim"), "--title", "doc03,002", "--top", "3", "--html", str(page)]
    assert suggest_main(arguments) == 0
    (chunk,) = re.findall(r'<script id="chunk-0".*?>(.*?)</script>', page.read_text(encoding="utf-8"))
    links = [link for *_, of_note in json.loads(chunk)["notes"] for link in of_note]
    assert links and all(len(match) == 2 for link in links for match in link[-1])


def test_a_cacheable_run_is_complete(runs, corpus):
    for head in HEADS:
        folder = runs / head
        metrics = json.loads((folder / "metrics.json").read_text())
        assert 0 <= metrics["figures"]["accuracy"]["value"] <= 1
        assert (folder / "report.html").exists()
        loaded = tf.saved_model.load(str(folder / "saved_model"))
        names = {"serving_default", "ids", "score", "score_half"}
        names |= {"encode_a", "encode_b", "encode_a_ids", "encode_b_ids"}
        assert set(loaded.signatures) == names


def test_help_names_every_head(capsys):
    from keras_negaposi.modeling.heads import HEADS as registry
    from keras_negaposi.train import main

    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(head in text for head in registry)

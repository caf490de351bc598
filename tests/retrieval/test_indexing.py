"""Building the index of a run: what is encoded, kills, changed models, and negatives mined from it."""

import dataclasses
import json
import os
import shutil
import time

import pytest
import tensorflow as tf

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig
from keras_negaposi.index_files.store import Store
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pair_generation.mined_negatives import mined_pages
from keras_negaposi.retrieval import Index, build, build_index
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from tests.helpers.forked import Python
from tests.helpers.indexes import BY_RANKER, HEADS, index_config, write_pages


def test_only_what_has_changed_is_encoded(head_runs, tiny, corpus, tmp_path, monkeypatch):
    encoded = []
    original = CachedScorer.encode
    monkeypatch.setattr(
        CachedScorer, "encode", lambda self, side, texts: encoded.append(texts) or original(self, side, texts)
    )
    pages = dict(corpus) | {"同じ本文,000": next(iter(corpus.values()))}
    honbun = write_pages(tmp_path / "pages.json", pages)
    build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index", honbun=honbun))
    assert sorted(sum(encoded, [])) == sorted(set(corpus.values()))  # Each text is encoded once.
    encoded.clear()
    build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index", honbun=honbun))
    assert not encoded
    first, second, *_ = pages
    pages[first], pages["新しい,000"] = "書き直した本文。", "新しい本文。"
    del pages[second]
    write_pages(tmp_path / "pages.json", pages)
    store = build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index", honbun=honbun))
    assert sorted(sum(encoded, [])) == ["新しい本文。", "書き直した本文。"]
    assert store.pages == pages
    titles = {s.title for s in Index(str(tmp_path / "index")).suggest("本文。", 1000)}
    assert titles == set(pages)


def test_beam_makes_the_same_index(head_runs, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "TEXTS_PER_SEGMENT", 40)
    folders = [tmp_path / "here", tmp_path / "beam"]
    for folder, more in zip(folders, [{}, {"runner": "DirectRunner", "runner_folder": str(tmp_path)}], strict=True):
        build_index(str(head_runs / "vector"), index_config(tiny, folder, **more))
    here, beam = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert here == beam and len(here) > 8
    assert sorted(tmp_path.iterdir()) == sorted(folders)


@pytest.mark.parametrize("head", BY_RANKER)
def test_segments_of_any_size_and_their_compaction_keep_the_scores(
    opened, head_runs, tiny, corpus, tmp_path, monkeypatch, head
):
    monkeypatch.setattr(build, "TEXTS_PER_SEGMENT", 20)
    build_index(str(head_runs / head), index_config(tiny, tmp_path / "index", dtype="float32"))
    assert len(Store(str(tmp_path / "index")).segments) > 3
    few = dict(list(corpus.items())[:30])
    honbun = write_pages(tmp_path / "few.json", few)
    store = build_index(str(head_runs / head), index_config(tiny, tmp_path / "index", dtype="float32", honbun=honbun))
    assert len(store.keys()) < 2 * len(few) + 1
    text = next(iter(corpus.values()))
    expected, found = (index.score_all(text) for index in (opened(head), Index(str(tmp_path / "index"))))
    for kept in few.values():
        assert found[build.text_key(kept)] == pytest.approx(expected[build.text_key(kept)], abs=1e-5)
    folders = {name for name in os.listdir(tmp_path / "index") if name.startswith("segment-")}
    assert folders == set(store.segments)


@pytest.mark.slow
def test_a_killed_index_is_valid_and_continues(head_runs, tiny, corpus, tmp_path):
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
    arguments = [str(head_runs / "vector"), tiny.flags["honbun"], str(tmp_path / "index")]
    process = Python("-c", code, *arguments)
    seen = 0
    for line in process.stdout:
        seen += line == "added\n"
        if seen == 3:
            break
    time.sleep(0.1)
    process.kill()
    process.communicate()
    store = Store(str(tmp_path / "index"))
    assert 24 <= len(store.keys()) < len(set(corpus.values()))
    with pytest.raises(InputError, match="texts are not encoded yet"):
        Index(str(tmp_path / "index"))
    left = tmp_path / f"index/{temporary.PREFIX}{temporary._machine()}-12345678{temporary.SUFFIX}"
    left.mkdir()  # A process killed while it writes a segment leaves this.
    store = build_index(str(head_runs / "vector"), index_config(tiny, tmp_path / "index"))
    assert store.keys() == {build.text_key(text) for text in corpus.values()}
    assert not left.exists()
    Index(str(tmp_path / "index")).suggest("本文", 3)


def test_another_model_is_refused_by_name(head_runs, head_indexes, tiny, tmp_path):
    with pytest.raises(InputError, match="made with another dtype"):
        build_index(str(head_runs / "vector"), index_config(tiny, head_indexes / "vector", dtype="float16"))
    with pytest.raises(InputError, match="made with another weights"):
        build_index(str(head_runs / "midfusion"), index_config(tiny, head_indexes / "vector", dtype="float32"))
    with pytest.raises(InputError, match="made with another weights"):
        Index(str(head_indexes / "vector"), str(head_runs / "reduced"))
    with pytest.raises(InputError, match="its head pair does not encode B separately"):
        build_index(str(head_runs / "pair"), index_config(tiny, tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_another_tokenizer_is_refused_by_name(head_runs, head_indexes, tmp_path):

    copy = tmp_path / "run"
    shutil.copytree(head_runs / "vector", copy)
    vocabulary = copy / "tokenizer.vocab"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "新\t-9\n", encoding="utf-8")
    with pytest.raises(InputError, match="made with another tokenizer"):
        Index(str(head_indexes / "vector"), str(copy))


def test_a_cacheable_run_is_complete(head_runs, corpus):
    for head in HEADS:
        folder = head_runs / head
        metrics = json.loads((folder / "metrics.json").read_text())
        assert 0 <= metrics["figures"]["accuracy"]["value"] <= 1
        assert (folder / "report.html").exists()
        loaded = tf.saved_model.load(str(folder / "saved_model"))
        names = {"serving_default", "ids", "score", "score_half"}
        names |= {"encode_a", "encode_b", "encode_a_ids", "encode_b_ids"}
        assert set(loaded.signatures) == names


def test_mined_negatives_are_pages_that_the_model_ranks_high(opened, head_indexes, tiny, corpus, tmp_path):
    index = str(head_indexes / "vector")
    a, ranking = list(corpus)[7], opened("vector")
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


def test_help_names_every_head(capsys):
    from keras_negaposi.modeling.heads import HEADS as registry
    from keras_negaposi.train import main

    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(head in text for head in registry)

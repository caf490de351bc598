"""The index of a hybrid run: candidates by the model and by TF-IDF, ordered by the hybrid score."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig, SuggestConfig
from keras_negaposi.retrieval import Index, build_index, hybrid_ranker
from keras_negaposi.retrieval.suggest import suggest
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.scorer import Scorer
from tests.helpers.runs import HYBRID


@pytest.fixture(scope="module")
def made(tiny, finished_run, tmp_path_factory):
    """A hybrid run and its index."""
    folder = tmp_path_factory.mktemp("hybrid")
    finished_run(folder / "run", **HYBRID, head="vector")
    build_index(str(folder / "run"), config(tiny, folder / "index"))
    return folder


@pytest.fixture(scope="module")
def opened_index(made):
    return Index(str(made / "index"))


def config(tiny, output, **more):
    return IndexConfig(**{"honbun": tiny.flags["honbun"], "output": str(output), "dtype": "float32"} | more)


def test_the_index_gives_the_scores_of_predict(made, opened_index, corpus):
    whole = Scorer(str(made / "run"))
    for text in list(corpus.values())[:3]:
        expected = [p for p, _ in whole.stream(((text, other) for other in corpus.values()), 16)]
        np.testing.assert_allclose(opened_index.score(text, list(corpus)), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
    calibration = saved_calibration(RunFolder(str(made / "run")))
    assert opened_index.origin.threshold == calibration.decision_threshold == 0.5


def test_a_fresh_process_gives_the_same_suggestions(made):
    """It imports only what it needs, and the SavedModel's tokenizer is among that."""
    command = [sys.executable, "-m", "keras_negaposi.suggest", str(made / "index"), "--title=doc11,002", "--top=3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    expected = suggest(str(made / "index"), SuggestConfig(title=["doc11,002"], top=3)).text
    assert done.stdout.splitlines() == expected.splitlines()


def test_the_best_of_all_pages_are_suggested(made, corpus, monkeypatch):
    monkeypatch.setattr(hybrid_ranker, "CANDIDATES", 1000)
    index, title = Index(str(made / "index")), "doc11,002"
    scores = dict(zip(corpus, index.score(corpus[title], list(corpus)), strict=True))
    found = index.suggest(corpus[title], 5, [title])
    best = sorted((score for other, score in scores.items() if other != title), reverse=True)
    assert [s.score for s in found] == pytest.approx(best[:5], abs=1e-5)


def test_candidates_come_from_the_model_and_from_tfidf(made, tiny, tmp_path, monkeypatch):
    """The page that shares rare words with A is among them, wherever the model ranks it."""
    rare = "鍾乳洞を探検する。"
    pages = json.loads(open(tiny.flags["honbun"], encoding="utf-8").read()) | {
        "新,000": rare,
        "新,001": f"{rare}続き。",
    }
    (tmp_path / "p.json").write_text(json.dumps(pages), encoding="utf-8")
    build_index(str(made / "run"), config(tiny, tmp_path / "i", honbun=str(tmp_path / "p.json")))
    monkeypatch.setattr(hybrid_ranker, "CANDIDATES", 2)
    index = Index(str(tmp_path / "i"))
    ranker = index._ranker
    (query,) = index._encode([[rare]])
    (neural,), (lexical,), (both,) = (
        ranker._neural.best([query], 2),
        ranker._nearest([query], 2),
        ranker.best([query], 2),
    )
    texts = {pages[title] for title in ("新,000", "新,001")}
    assert {ranker._texts[key] for key in lexical} == texts
    scores = ranker.score(query, list(dict.fromkeys([*(key for key, _ in neural), *lexical])))
    assert dict(both) == pytest.approx(dict(sorted(scores.items(), key=lambda item: -item[1])[:2]))


def test_an_index_of_an_older_version_ranks_by_the_hybrid(made, opened_index, tiny, corpus, tmp_path):
    """It has no n-grams, so all candidates come from the model, until it is updated."""
    index = shutil.copytree(made / "index", tmp_path / "i")
    manifest = json.loads((index / "manifest.json").read_text())
    shutil.rmtree(index / manifest.pop("lexical"))
    del manifest["model"]["lexical model"]
    manifest["checksums"] = {name: crc for name, crc in manifest["checksums"].items() if "lexical" not in name}
    (index / "manifest.json").write_text(json.dumps(manifest))
    text = corpus["doc02,001"]
    older = Index(str(index))
    assert older.score(text, list(corpus)) == pytest.approx(opened_index.score(text, list(corpus)), abs=1e-6)
    assert older.suggest(text, 3)
    build_index(str(made / "run"), config(tiny, index))
    assert Index(str(index)).suggest(text, 5) == opened_index.suggest(text, 5)


def test_another_lexical_model_is_refused_by_name(made, tiny, tmp_path):
    shutil.copytree(made, tmp_path / "c")
    lexical = tmp_path / "c/run/lexical.npz"
    lexical.write_bytes(lexical.read_bytes() + b"\0")
    with pytest.raises(InputError, match="made with another lexical model"):
        Index(str(tmp_path / "c/index"), str(tmp_path / "c/run"))
    with pytest.raises(InputError, match="made with another lexical model"):
        build_index(str(tmp_path / "c/run"), config(tiny, tmp_path / "c/index"))


def test_links_use_the_threshold_of_the_hybrid(made, opened_index, corpus):
    title = "doc04,001"
    answer = suggest(str(made / "index"), SuggestConfig(title=[title], format="markdown", top=50))
    scores = dict(zip(corpus, opened_index.score(corpus[title], list(corpus)), strict=True))
    likely = {other.split(",")[0] for other, score in scores.items() if score >= 0.5}
    assert all(line.split("[")[1].split("]")[0] in likely for line in answer.text.splitlines())
    assert not answer.note

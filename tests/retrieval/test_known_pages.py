"""An index takes the vectors of the pages that the run has encoded already, and encodes the others."""

import json
from pathlib import Path

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.texts import text_key
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.search import Index
from keras_negaposi.runtime.run_folder import RunFolder
from tests.helpers.runs import HYBRID

NEW = "これは新しいページです。"


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A bi-encoder's run, in whose SavedModel all pages are."""
    return RunFolder(str(finished_run(tmp_path_factory.mktemp("known") / "run", **HYBRID, head="vector")))


@pytest.fixture(scope="module")
def plain(run, finished_run, tmp_path_factory):
    """The same run as an older version has written it: nobody knows which pages are in its SavedModel."""
    older = RunFolder(str(finished_run(tmp_path_factory.mktemp("older") / "run", **HYBRID, head="vector")))
    Path(older.reference_pages).unlink()
    return older


def test_known_pages_have_the_tensors_that_the_model_would_compute(run, plain, corpus):
    texts = [*corpus.values()][:10] + [NEW] + [*corpus.values()][:2]
    known, computed = (CachedScorer(each.path) for each in (run, plain))
    assert known.count_known(map(text_key, texts)) == 12
    assert computed.count_known(map(text_key, texts)) == 0
    found, expected = (scorer.encode("b", texts) for scorer in (known, computed))
    assert found.keys() == expected.keys() == {"vector", "density"}
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, atol=1e-3)  # they are stored in half precision
    away = np.abs(found["vector"] - expected["vector"]).max(axis=1)
    assert away[10] < 1e-6 < 1e-5 < away[0]  # only the new one was computed
    np.testing.assert_array_equal(known.encode("a", texts)["vector"], computed.encode("a", texts)["vector"])


def test_an_index_encodes_only_pages_that_the_run_does_not_know(run, plain, corpus, tmp_path, capsys):
    pages = corpus | {"new": NEW}
    count = len(set(pages.values()))
    fast = Index.build(run.path, pages, str(tmp_path / "fast"))
    assert f"{count - 1} are encoded in the run, 1 of them to encode" in capsys.readouterr().out
    slow = Index.build(plain.path, pages, str(tmp_path / "slow"))
    assert f"{count} different texts, {count} of them to encode" in capsys.readouterr().out
    for text in (NEW, corpus["doc03,002"]):
        ours, theirs = (index.score(text, list(pages)) for index in (fast, slow))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_int8_computes_its_own_vectors(run, corpus):
    assert CachedScorer(run.path, "int8").count_known(map(text_key, corpus.values())) == 0


@pytest.mark.parametrize("content", ["[", '{"a": 1}', '["a"]'])
def test_damaged_keys_are_one_line_that_names_the_file(run, content):
    before = json.loads(Path(run.reference_pages).read_text())
    Path(run.reference_pages).write_text(content)
    try:
        with pytest.raises(InputError, match=r"reference_pages\.json: .*remove it") as error:
            CachedScorer(run.path).encode("b", [NEW])
        assert "\n" not in str(error.value)
    finally:
        Path(run.reference_pages).write_text(json.dumps(before))

"""A server for the index of a trained hybrid run, with a reranker: every answer equals that of the library."""

import time

import httpx
import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.retrieval import Index, build_index
from keras_negaposi.serving.scorer import Scorer
from tests.helpers.runs import HYBRID, QUICK
from tests.helpers.servers import served

pytestmark = pytest.mark.slow
PAGES = 144


@pytest.fixture(scope="module")
def runs(finished_run, tmp_path_factory):
    """Head -> a finished run. The reranker is no hybrid, so that its scores are not those of the index."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "pair": finished_run(folder / "pair", **QUICK),
        "vector": finished_run(folder / "vector", **HYBRID, head="vector"),
    }


@pytest.fixture(scope="module")
def index(runs, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "index"
    build_index(str(runs["vector"]), IndexConfig(honbun=tiny.flags["honbun"], output=str(folder), dtype="float32"))
    return folder


@pytest.fixture(scope="module")
def server(index, runs):
    with served(index, "--reranker", runs["pair"], "--rate", "0", "--timeout", "60") as running:
        with httpx.Client(base_url=running.address, timeout=60) as client:
            yield client


@pytest.fixture(scope="module")
def library(index):
    return Index(str(index))


def asked(server, **body):
    """The titles, and the scores."""
    answer = server.post("/suggest", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()["suggestions"]
    return [page["title"] for page in found], [page["score"] for page in found]


@pytest.mark.parametrize("rerank", [0, 3, 8])
def test_suggestions_are_those_of_the_index_and_the_reranker(server, library, runs, corpus, rerank):
    reranker = Scorer(str(runs["pair"])) if rerank else None
    for body, text in (({"title": "doc03,002"}, corpus["doc03,002"]), ({"text": "りんごを見る。"}, "りんごを見る。")):
        expected = library.suggest(text, 5, rerank=rerank, reranker=reranker)
        titles, scores = asked(server, top=5, rerank=rerank, **body)
        assert titles == [found.title for found in expected]
        assert scores == pytest.approx([found.score for found in expected], abs=1e-5)
        plain = [found.score for found in library.suggest(text, 5)]
        assert (scores == pytest.approx(plain, abs=1e-4)) == (not rerank)


def test_the_reranker_scores_the_pages_that_follow_a_note(server):
    (_, reranked), (_, plain) = (asked(server, title="doc03", top=4, rerank=rerank) for rerank in (6, 0))
    assert len(reranked) == len(plain) == 4
    assert reranked != pytest.approx(plain, abs=1e-4)


def test_predictions_are_those_of_the_index(server, library, corpus):
    pairs = [{"title_a": "doc05,001", "title_b": "doc05,002"}, {"text_a": "りんご。", "title_b": "doc00,001"}]
    answer = server.post("/predict", json={"pairs": pairs}).json()
    expected = library.score_pairs([(corpus["doc05,001"], corpus["doc05,002"]), ("りんご。", corpus["doc00,001"])])
    assert [found["score"] for found in answer["predictions"]] == pytest.approx(expected, abs=1e-5)
    assert answer["probabilities"]
    unknown = server.post("/predict", json={"pairs": [pairs[0] | {"title_b": "doc05,02"}]})
    assert unknown.status_code == 404 and 'did you mean "doc05,0' in unknown.json()["error"]


def test_the_page_shows_what_each_part_of_a_score_contributes(server, library):
    end = time.monotonic() + 300
    while server.get("/healthz").json()["suggested"] < PAGES:
        assert time.monotonic() < end
        time.sleep(0.5)
    time.sleep(0.1)
    manifest, chunk = (server.get(f"/data/{name}.json").json() for name in ("manifest", "chunk-0"))
    assert manifest["parts"] == ["lexical", "model", "base"] and manifest["note"] is None
    links = [link for *_, of_note in chunk["notes"] for link in of_note]
    bias = library.origin.weights.bias
    assert links and {round(link[6], 2) for link in links} == {round(bias, 2)}
    for _, _, score, _, *parts in links:
        assert 1 / (1 + 2.718281828 ** -sum(parts)) == pytest.approx(score, abs=0.01)

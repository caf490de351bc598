"""``--partner_head``: one command trains a second run, in the run's folder, and combines both."""

import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.splits import read_split
from keras_negaposi.retrieval.search import Index
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.suggest import main as suggest_main
from keras_negaposi.train import main
from keras_negaposi.training.partner import partner_config
from tests.helpers.runs import HYBRID
from tests.helpers.servers import served

OPTIONS = HYBRID | {"head": "vector", "partner_head": "pair_means"}


@pytest.fixture(scope="module")
def together(finished_run, tmp_path_factory):
    """A run that has trained its own partner."""
    return RunFolder(str(finished_run(tmp_path_factory.mktemp("partner") / "run", **OPTIONS)))


def test_the_partner_is_trained_in_the_runs_folder_and_joins_the_hybrid(together):
    metrics = json.loads(Path(together.metrics).read_text(encoding="utf-8"))
    assert "partner run" in metrics["contributions"]
    assert metrics["calibration"]["ensemble"]["partner"] != 0
    assert not saved_options(together.partner).hybrid  # the run has the lexical features
    partner = RunFolder(together.partner)
    assert saved_options(partner.path).head == "pair_means" and saved_options(together.path).head == "vector"
    for part in ("dev", "test"):
        assert read_split(partner.split)[part] == read_split(together.split)[part]
        assert Path(partner.scores(part)).read_bytes() == Path(together.partner_scores(part)).read_bytes()


def test_an_index_of_it_is_reranked_by_its_own_final_scores(together, corpus, tmp_path, capsys):
    Index.build(together.path, corpus, str(tmp_path / "index"))
    scorer = Scorer(together.path)

    def suggested(*options):
        capsys.readouterr()
        text = "りんごを読む。ねこと話す。"
        assert suggest_main([str(tmp_path / "index"), "--text", text, "--top", "6", "--format", "json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        expected, _ = scorer.score([text] * 6, [corpus[each["title"]] for each in found])
        return found, np.abs([each["score"] - score for each, score in zip(found, expected, strict=True)]).max()

    (plain, away), (again, near) = suggested(), suggested("--rerank", "6")
    assert again == suggested("--rerank", "6", "--reranker", together.path)[0]
    assert {each["title"] for each in again} == {each["title"] for each in plain}
    assert near < 1e-6 < 1e-5 < away  # without the partner, and from numbers in half precision


def test_both_models_compute_in_bfloat16(together, corpus):
    pairs = read_split(together.split)["test"]
    texts = [[corpus[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True)]
    exact, quick, alone = (
        Scorer(path, precision).score(*texts)[0]
        for path, precision in ((together.path, "float32"), (together.path, "bfloat16"), (together.partner, "bfloat16"))
    )
    assert 0 < np.abs(quick - exact).max() < 0.02 < np.abs(alone - exact).max()


def test_a_server_reranks_by_the_indexs_own_run(together, corpus, tmp_path):
    index = Index.build(together.path, corpus, str(tmp_path / "index"))
    expected = index.suggest("りんごを読む。", 4, rerank=6, reranker=Scorer(together.path))
    with served(tmp_path / "index", "--timeout", "60") as server:
        asked = {"text": "りんごを読む。", "top": 4, "rerank": 6}
        answer = httpx.post(f"{server.address}/suggest", json=asked, timeout=60)
        found = [(page["title"], page["score"]) for page in answer.json()["suggestions"]]
    assert found == [(page.title, pytest.approx(page.score, abs=1e-5)) for page in expected]


def test_a_run_stopped_between_both_trainings_is_resumed_to_the_same_scores(together, tmp_path):
    resumed = RunFolder(str(shutil.copytree(together.path, tmp_path / "run")))
    for path in map(Path, (resumed.checkpoints, resumed.saved_model, resumed.tensorboard)):
        shutil.rmtree(path)
    for path in map(Path, (resumed.metrics, resumed.report, resumed.scores("dev"), resumed.scores("test"))):
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in Path(resumed.partner).rglob("*")}
    assert main(["--resume", "--output_dir", resumed.path]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in Path(resumed.partner).rglob("*")}
    for part in ("dev", "test"):
        assert Path(resumed.scores(part)).read_bytes() == Path(together.scores(part)).read_bytes()


def test_a_run_stopped_in_the_partners_training_is_resumed_to_the_same_scores(together, tiny, tmp_path):
    """A file that has moved since is named once, for both runs."""
    resumed = RunFolder(str(tmp_path / "run"))
    partner = RunFolder(resumed.partner)
    shutil.copytree(together.path, resumed.path)
    kept = {resumed.config, resumed.split, resumed.bert_config, partner.config}
    for path in [*Path(resumed.path).rglob("*")]:
        if path.is_file() and str(path) not in kept and "records" not in path.parts:
            path.unlink()
    for path in (resumed.saved_model, partner.saved_model, resumed.checkpoints, partner.checkpoints):
        shutil.rmtree(path)
    moved = shutil.copy(tiny.flags["honbun"], str(tmp_path / "moved.json"))
    for folder in (resumed, partner):  # as if the file had been elsewhere
        content = json.loads(Path(folder.config).read_text(encoding="utf-8"))
        content["config"]["honbun"] = str(tmp_path / "gone.json")
        Path(folder.config).write_text(json.dumps(content), encoding="utf-8")
    assert main(["--resume", "--output_dir", resumed.path, "--honbun", moved]) == 0
    assert {saved_options(folder.path).honbun for folder in (resumed, partner)} == {moved}
    for part in ("dev", "test"):
        assert Path(resumed.scores(part)).read_bytes() == Path(together.scores(part)).read_bytes()
        assert Path(partner.scores(part)).read_bytes() == Path(together.partner_scores(part)).read_bytes()


def test_a_moved_run_scores_as_before(together, corpus, tmp_path):
    moved = RunFolder(str(shutil.copytree(together.path, tmp_path / "moved")))
    pairs = read_split(moved.split)["test"][:5]
    text_a, text_b = ([corpus[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True))
    scores = [Scorer(folder.path).score(text_a, text_b)[0] for folder in (together, moved)]
    np.testing.assert_array_equal(*scores)


def test_the_partner_gets_the_settings_that_suit_its_head(tiny, tmp_path):
    options = tiny.flags | OPTIONS | {"head_size": 3, "frozen_layers": 1, "seed": 4}
    options |= {"loss": "both", "keep_best": "recall"}
    config = TrainConfig(**options, output_dir=str(tmp_path / "run"))
    partner = partner_config(config)
    assert (partner.head, partner.partner_head, partner.output_dir) == ("pair_means", "none", config.partner)
    assert (partner.head_size, partner.frozen_layers, partner.loss, partner.keep_best) == (None, 0, "binary", "loss")
    assert partner.max_seq_length == tiny.config["max_position_embeddings"] > config.max_seq_length  # for both texts
    same = ("seed", "split", "dev_share", "truncate_a", "num_train_epochs", "train_batch_size", "honbun")
    assert all(getattr(partner, name) == getattr(config, name) for name in same)


def test_what_cannot_be_combined_is_refused_before_any_work(tiny, tmp_path, capsys):
    flags = {f"--{name}={value}" for name, value in (tiny.flags | OPTIONS).items()}
    for more, problem in (
        (["--ensemble=runs/a"], "--ensemble and --partner_head pair_means: a run has one partner; give one of them"),
        (["--dev_share=auto"], "--partner_head pair_means: there is no dev part to fit the combination on"),
    ):
        assert main([*flags, f"--output_dir={tmp_path / 'new'}", *more]) == 2
        assert problem in capsys.readouterr().err
        assert not (tmp_path / "new").exists()


def test_a_run_that_needs_mecab_cannot_have_one(tiny, tmp_path):
    from keras_negaposi.training.partner import check_partner
    from keras_negaposi.training.run_inputs import read_run_inputs

    config = TrainConfig(**tiny.flags | OPTIONS, output_dir=str(tmp_path / "run"))
    inputs = read_run_inputs(config).inputs
    inputs.preprocessor.tokenizer.in_graph = False
    with pytest.raises(InputError, match="MeCab cannot be part of a SavedModel"):
        check_partner(inputs, config)

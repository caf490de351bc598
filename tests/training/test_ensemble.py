"""``--ensemble``: a partner run on the same split joins the hybrid, in the scores and in the exported model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.tables import read_rows
from checkpoints_tools.source import open_source
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.splits import read_split
from keras_negaposi.export import main as export
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.reporting.evaluate_run import evaluate_finished_run
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.hybrid import fit_hybrid
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.train import main
from keras_negaposi.training.run import run
from tests.helpers.runs import HYBRID


def trained(tiny, path, **more):
    run(TrainConfig(**tiny.flags | HYBRID | more, output_dir=str(path)))
    return RunFolder(str(path))


@pytest.fixture(scope="module")
def runs(tiny, finished_run, tmp_path_factory):
    """A partner, and a run with it; the partner's folder is gone afterwards."""
    folder = tmp_path_factory.mktemp("ensemble")
    partner = RunFolder(str(finished_run(folder / "partner", **HYBRID, head="vector")))
    together = trained(tiny, folder / "together", head="pair_means", ensemble=partner.path)
    shutil.copytree(partner.path, folder / "kept")
    shutil.rmtree(partner.path)
    return RunFolder(str(folder / "kept")), together


def probabilities_in(path):
    with open(path, encoding="utf-8", newline="") as file:
        return np.array([float(row[3]) for row in list(read_rows(file.read()))[1:]])


def test_the_scores_combine_both_runs_with_weights_from_the_dev_part(runs, corpus):
    partner, together = runs
    calibration, lexical = saved_calibration(together), LexicalModel.load(together.lexical_model)
    parts = read_split(together.split)

    def evidence(part):
        neural = probabilities_in(together.neural_scores(part))
        return neural, lexical.logits(corpus, parts[part]), probabilities_in(partner.scores(part))

    for part in ("dev", "test"):
        assert (probabilities_in(together.partner_scores(part)) == probabilities_in(partner.scores(part))).all()
        combined = calibration.ensemble.combine(*evidence(part))
        np.testing.assert_allclose(probabilities_in(together.scores(part)), combined, atol=1e-5)
    labels = np.array([pair.label for pair in parts["dev"]])
    again = fit_hybrid(labels, *evidence("dev"))
    np.testing.assert_allclose(again.partner, calibration.ensemble.partner, rtol=1e-2, atol=1e-3)
    assert abs(again.partner) > 0.01
    assert calibration.hybrid.partner == 0.0  # what an index uses


def test_the_exported_model_contains_the_partner(runs, corpus):
    _, together = runs
    pairs = read_split(together.split)["test"]
    text_a, text_b = ([corpus[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True))
    probabilities, _ = Scorer(together.path).score(text_a, text_b)
    np.testing.assert_allclose(probabilities, probabilities_in(together.scores("test")), atol=1e-5)
    with pytest.raises(InputError, match=r"int8: .*together also scores with a partner run"):
        Scorer(together.path, "int8")


def test_the_own_weights_are_read_and_not_the_partners(runs, tmp_path):
    """As with --init_checkpoint, and when the run is exported to another tool."""
    partner, together = runs
    own, other = (open_source(folder.path).weights for folder in (together, partner))
    step = json.loads(Path(together.metrics).read_text())["global_step"]
    trained = open_source(together.best_weights(step), together.bert_config).weights
    name = "bert/encoder/layer_1/output/dense/kernel"
    np.testing.assert_array_equal(own[name], trained[name])
    assert [name for name in other.others if name.startswith("vector/")]
    assert not [name for name in own.others if name.startswith("vector/")]
    assert export([together.path, "--to=serving", f"--output={tmp_path}"]) == 0


def test_the_report_shows_what_the_partner_contributes(runs):
    partner, together = runs
    before = json.loads(open(together.metrics, encoding="utf-8").read())
    assert before["contributions"].keys() == {"trained model", "lexical features", "partner run", "hybrid"}
    alone = json.loads(open(partner.metrics, encoding="utf-8").read())["eval_accuracy"]
    assert before["contributions"]["partner run"]["accuracy"]["value"] == pytest.approx(alone)
    assert "for the partner run" in open(together.report, encoding="utf-8").read()
    evaluate_finished_run(together.path)  # without the partner's folder
    assert json.loads(open(together.metrics, encoding="utf-8").read()) == before


def test_a_partner_on_another_split_is_refused_before_any_work(runs, tiny, tmp_path, capsys):
    kept, _ = runs
    flags = {f"--{name}={value}" for name, value in (tiny.flags | HYBRID | {"head": "pair"}).items()}
    for more, problem in (
        (["--seed=1"], "its dev pairs are not those of this run; train both with the same"),
        (["--ensemble=nowhere"], "not the folder of a finished run"),
    ):
        command = [*flags, f"--ensemble={kept.path}", f"--output_dir={tmp_path / 'new'}", *more]
        assert main(command) == 2
        assert problem in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="there is no dev part to fit the combination on; give --dev_share 0.1"):
        trained(tiny, tmp_path / "new", head="pair", ensemble=kept.path, dev_share="auto")

"""Lexical features, cosine and densities are fitted together on training pairs, if nothing was fine-tuned on these."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 - the SavedModel needs its op
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.lexical.model import INVERSE_REGULARIZATION, LexicalModel, features_of_pairs
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.hybrid import logits_of
from keras_negaposi.serving.signatures import join_sides
from tests.helpers.runs import HYBRID

NOT_FINE_TUNED = HYBRID | {"head": "vector", "num_train_epochs": 0.0}


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A bi-encoder whose encoder is as it was."""
    return RunFolder(str(finished_run(tmp_path_factory.mktemp("together") / "run", **NOT_FINE_TUNED)))


def test_the_score_is_that_of_one_logistic_regression_on_training_pairs(run, corpus):
    parts, calibration = read_split(run.split), saved_calibration(run)
    signatures = tf.saved_model.load(run.saved_model).signatures
    frequencies = PageFrequencies.of(corpus.values())
    neighbours = Neighbours.of(frequencies, corpus.values())

    def evidence(pairs):
        sides = {
            side: signatures[f"encode_{side}"](text=tf.constant([corpus[getattr(pair, side)] for pair in pairs]))
            for side in "ab"
        }
        alone = signatures["score"](**join_sides(sides))["probabilities"].numpy()[:, 1]
        densities = sum(tensors["density"].numpy()[:, 0] for tensors in sides.values())
        weights = calibration.density
        logit = (logits_of(alone) - weights.density * densities - weights.bias) / weights.logit
        return np.column_stack([features_of_pairs(frequencies, corpus, pairs, neighbours), logit, densities])

    train, test = list(parts["train"]), list(parts["test"])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=2000))
    model.fit(evidence(train), [pair.label for pair in train])
    expected = model.decision_function(evidence(test))
    found = logits_of(read_scores(run.scores("test"), test, 0.5, 32).probabilities)
    scale, offset = np.polyfit(expected, found, 1)  # both are fitted to the dev part
    np.testing.assert_allclose(found, scale * expected + offset, atol=2e-3)
    assert scale > 0
    np.testing.assert_allclose(calibration.hybrid.lexical, scale, rtol=1e-2)


def test_a_run_without_training_has_a_report_without_a_training(run):
    metrics = json.loads(Path(run.metrics).read_text(encoding="utf-8"))
    assert metrics["global_step"] == 0 and metrics["dev_history"]["kept_step"] == 0
    assert not [warning for warning in metrics["warnings"] if "training did not" in warning]
    assert Path(run.report).stat().st_size > 10_000


def test_a_fine_tuned_model_is_never_weighed_on_its_training_pairs(finished_run, corpus, tmp_path):
    options = HYBRID | {"head": "vector", "keep_best": "last"}
    run = RunFolder(str(finished_run(tmp_path / "run", **options)))
    saved = LexicalModel.load(run.lexical_model)
    alone = LexicalModel.fit(corpus, read_split(run.split)["train"])
    np.testing.assert_allclose(saved.coefficients, alone.coefficients, rtol=1e-6)


def test_without_lexical_features_only_the_dev_part_weighs(finished_run, tmp_path):
    run = RunFolder(str(finished_run(tmp_path / "run", **NOT_FINE_TUNED, hybrid=False)))
    calibration = saved_calibration(run)
    assert calibration.hybrid is None and calibration.density is not None


def test_the_model_for_other_texts_gets_the_same_weights_of_cosine_and_density(run, corpus):
    model = LexicalModel.load(run.lexical_model)
    train = list(read_split(run.split)["train"])
    rng = np.random.default_rng(0)
    labels = np.array([pair.label for pair in train])
    others = np.column_stack([labels + rng.normal(size=len(train)), rng.normal(size=len(train))])
    fitted, weights, constant = LexicalModel.fit_with(corpus, train, others)
    assert weights[0] > 5 * abs(weights[1])
    assert fitted.plain.neighbours is None and len(fitted.plain.coefficients) == len(model.plain.coefficients)
    features = features_of_pairs(fitted.frequencies, corpus, train, None)
    logits = fitted.plain.logits_of_features(features) + others @ weights + constant
    assert ((logits > 0) == labels).mean() > 0.8


def test_without_a_dev_part_the_weights_are_those_of_the_fit(finished_run, corpus, tmp_path):
    run = RunFolder(str(finished_run(tmp_path / "run", **NOT_FINE_TUNED | {"dev_share": 0.0})))
    calibration = saved_calibration(run)
    assert (calibration.chosen_on, calibration.hybrid.lexical) == ("train", 1.0)
    metrics = json.loads(Path(run.metrics).read_text(encoding="utf-8"))
    assert metrics["contributions"].keys() == {"trained model", "lexical features", "hybrid"}


def test_the_lexical_baseline_of_such_a_run_is_fitted_alone(run, corpus):
    metrics = json.loads(Path(run.metrics).read_text(encoding="utf-8"))
    parts = read_split(run.split)
    test = list(parts["test"])
    logits = LexicalModel.fit(corpus, list(parts["train"])).logits(corpus, test)
    accuracy = ((logits > 0) == np.array([pair.label for pair in test])).mean()
    assert metrics["baselines"]["lexical features"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert not LexicalModel.load(run.lexical_model).alone

"""Densities: how close a text is to the pages of a corpus, in scores, exported models and indexes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 - the SavedModel needs its op

from keras_negaposi.data.reference_pages import NEAREST, densities_by
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.retrieval.search import Index
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration, calibrate, saved_calibration
from keras_negaposi.serving.density import Density
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.serving.signatures import join_sides
from tests.helpers.runs import HYBRID


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A bi-encoder's run."""
    return RunFolder(str(finished_run(tmp_path_factory.mktemp("density") / "run", **HYBRID, head="vector")))


@pytest.fixture(scope="module")
def loaded(run):
    return tf.saved_model.load(run.saved_model)


def test_a_texts_density_is_its_mean_cosine_with_the_nearest_pages_but_one():
    pages = np.random.default_rng(0).normal(size=(20, 8))
    pages /= np.linalg.norm(pages, axis=1, keepdims=True)
    pages = pages.astype(np.float16).astype(np.float32)
    found = Density(pages)(tf.constant(pages)).numpy()
    cosines = np.sort(pages @ pages.T, axis=1)[:, ::-1]
    np.testing.assert_allclose(found[:, 0], cosines[:, 1 : NEAREST + 1].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(densities_by(pages @ pages.T), found[:, 0], rtol=1e-5)
    np.testing.assert_allclose(densities_by(np.array([[0.2, 0.9]])), [0.2])  # a corpus of two pages


def test_weights_of_densities_are_fitted_and_help_where_hubs_mislead():
    rng = np.random.default_rng(0)
    labels, hubs = rng.integers(0, 2, 4000), rng.normal(size=4000)
    logits = 2 * (labels - 0.5) + 2 * hubs + rng.normal(size=4000)
    probabilities = 1 / (1 + np.exp(-logits))
    alone, corrected = calibrate(labels, probabilities), calibrate(labels, probabilities, hubs)
    assert corrected.density.logit > 0 > corrected.density.density
    accuracy = [((c.apply(probabilities, hubs) > c.threshold_alone) == labels).mean() for c in (alone, corrected)]
    assert accuracy[1] > accuracy[0] + 0.1
    assert calibrate(np.ones(10), probabilities[:10], hubs[:10]).density is None


def test_scores_come_from_cosines_and_densities(run, loaded, corpus):
    calibration = saved_calibration(run)
    assert calibration.density.density != 0
    pairs = read_split(run.split)["test"]
    sides = {
        side: loaded.signatures[f"encode_{side}"](text=tf.constant([corpus[getattr(pair, side)] for pair in pairs]))
        for side in "ab"
    }
    vectors = {side: tensors["vector"].numpy() for side, tensors in sides.items()}
    variables = dict(tf.train.list_variables(f"{run.saved_model}/variables/variables"))
    (name,) = [name for name in variables if name.startswith("_density/pages/")]
    pages = tf.train.load_variable(f"{run.saved_model}/variables/variables", name).astype(np.float32)
    assert len(pages) == len(set(corpus.values()))
    for side, tensors in sides.items():
        cosines = np.sort(vectors[side] @ pages.T, axis=1)[:, -NEAREST - 1 : -1]
        np.testing.assert_allclose(tensors["density"][:, 0], cosines.mean(axis=1), atol=1e-5)
    # The model's probability without a calibration is that of the cosine alone.
    densities = sum(tensors["density"].numpy()[:, 0] for tensors in sides.values())
    neural = json.loads(Path(run.calibration).read_text())["density"]
    scored = loaded.signatures["score"](**join_sides(sides))["probabilities"].numpy()[:, 1]
    saved = read_scores(run.neural_scores("test"), pairs, calibration.threshold_alone, 32).probabilities
    np.testing.assert_allclose(scored, saved, atol=1e-5)
    cosine_logit = (np.log(scored / (1 - scored)) - neural["density"] * densities - neural["bias"]) / neural["logit"]
    cosines = (vectors["a"] * vectors["b"]).sum(axis=1)
    assert np.abs(np.corrcoef(cosine_logit, cosines)[0, 1]) > 0.9999


def test_every_way_to_score_gives_the_same(run, loaded, corpus, tmp_path):
    pairs = read_split(run.split)["test"][:20]
    text_a, text_b = ([corpus[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True))
    expected = read_scores(run.scores("test"), read_split(run.split)["test"], 0.5, 32).probabilities[:20]
    for scorer in (Scorer(run.path), Scorer(run.path, keep_vectors=True)):
        np.testing.assert_allclose(scorer.score(text_a, text_b)[0], expected, atol=1e-5)
    np.testing.assert_allclose(Scorer(run.path, "int8").score(text_a, text_b)[0], expected, atol=0.05)
    index = Index.build(run.path, corpus, str(tmp_path / "index"))
    np.testing.assert_allclose(index.score_pairs(list(zip(text_a, text_b, strict=True))), expected, atol=2e-3)
    by_title = [index.score(a, [pair.b])[0] for a, pair in zip(text_a, pairs, strict=True)]
    np.testing.assert_allclose(by_title, expected, atol=2e-3)
    assert (index.store.path / index.store.lexical).is_dir()


def test_a_run_without_reference_pages_knows_no_densities(finished_run, tmp_path):
    run = RunFolder(str(finished_run(tmp_path / "run", **HYBRID, head="vector", reference_pages=0)))
    assert saved_calibration(run).density is None
    assert "density" not in tf.saved_model.load(run.saved_model).signatures["encode_a"].structured_outputs


def test_a_calibration_without_densities_is_the_temperature():
    probabilities = np.array([0.2, 0.7], np.float32)
    with_weights = calibrate(np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.6, 0.4]), np.array([0.1, 0.2, 0.5, 0.4]))
    without = dataclasses.replace(with_weights, density=None)
    np.testing.assert_array_equal(with_weights.apply(probabilities), without.apply(probabilities))
    assert Calibration().apply(probabilities) is probabilities


def test_densities_mostly_get_no_weight_where_they_say_nothing():
    rng, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    probabilities = 1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(size=(30, 80)))))
    found = [calibrate(labels, each, rng.normal(size=80)).density for each in probabilities]
    assert sum(density is not None for density in found) <= 6
    assert all(density.density < 0 for density in found if density)  # a text close to many pages never counts more

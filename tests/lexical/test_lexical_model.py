"""The lexical model: the same after saving, the same in the graph, and damaged files are explained."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.pairs import Pair
from keras_negaposi.lexical.model import LexicalModel, features_of_pairs
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.scoring_ops import LexicalScorer
from keras_negaposi.lexical.vocabulary import PageFrequencies
from tests.helpers.properties import bounded, mutations, succeeds_or_explains


@pytest.fixture(scope="module")
def pairs(pair_rows):
    return [Pair(*row) for row in pair_rows]


@pytest.fixture(scope="module")
def model(corpus, pairs):
    return LexicalModel.fit(corpus, pairs[:160])


def test_it_is_a_logistic_regression_on_standardised_features(corpus, pairs, model):
    frequencies = PageFrequencies.of(corpus.values())
    neighbours = Neighbours.of(frequencies, corpus.values())
    train, test = (features_of_pairs(frequencies, corpus, some, neighbours) for some in (pairs[:160], pairs[160:]))
    wanted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    wanted.fit(train, [pair.label for pair in pairs[:160]])
    assert test[:, -1].all()  # all texts are pages
    np.testing.assert_allclose(model.logits(corpus, pairs[160:]), wanted.decision_function(test), rtol=1e-6, atol=1e-6)


def test_texts_that_are_no_pages_are_not_compared_with_pages(corpus, pairs, model):
    """Their documents' other pages may be missing, and would be missed."""
    text_a, text_b = ([corpus[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True))
    new_a = [f"{text}新しい文です。" for text in text_a]
    plain = LexicalModel.fit_features(
        model.frequencies, features_of_pairs(model.frequencies, corpus, pairs[:160]), [p.label for p in pairs[:160]]
    )
    np.testing.assert_allclose(model.logits_of_texts(new_a, text_b), plain.logits_of_texts(new_a, text_b))
    assert np.abs(model.logits_of_texts(text_a, text_b) - plain.logits_of_texts(text_a, text_b)).min() > 0
    in_graph = tf.function(LexicalScorer(model).__call__, autograph=False)
    mixed = [*new_a[:20], *text_a[20:]]
    np.testing.assert_allclose(
        in_graph(tf.constant(mixed), tf.constant(text_b)), model.logits_of_texts(mixed, text_b), atol=1e-5
    )


def test_it_learns_and_ignores_the_labels_of_other_pairs(corpus, pairs, model):
    correct = (model.logits(corpus, pairs[160:]) > 0) == [pair.label == 1 for pair in pairs[160:]]
    assert correct.mean() > 0.8
    others = [dataclasses.replace(pair, label=1 - pair.label) for pair in pairs[160:]]
    np.testing.assert_array_equal(model.logits(corpus, others), model.logits(corpus, pairs[160:]))


def test_saved_and_loaded_it_is_the_same(corpus, pairs, model, tmp_path):
    path = str(tmp_path / "lexical.npz")
    model.save(path)
    loaded = LexicalModel.load(path)
    np.testing.assert_array_equal(loaded.logits(corpus, pairs), model.logits(corpus, pairs))
    assert (tmp_path / "lexical.npz").stat().st_size < 200_000


def test_the_graph_gives_the_same_logits(corpus, pairs, model):
    scorer = tf.function(LexicalScorer(model).__call__, autograph=False)
    a, b = ([corpus[title] for title in side] for side in zip(*((pair.a, pair.b) for pair in pairs), strict=True))
    np.testing.assert_allclose(scorer(tf.constant(a), tf.constant(b)), model.logits(corpus, pairs), atol=1e-5)


def test_no_pairs(corpus, model):
    assert model.logits(corpus, []).shape == (0,)


@bounded
@given(st.data())
def test_property_a_damaged_file_is_explained(model, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "lexical.npz"
    model.save(str(path))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    succeeds_or_explains(lambda: LexicalModel.load(str(path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.array(["another"])}, "other lexical features"),
        ({"scale": np.zeros(90)}, "holds values that no model has"),
        ({"mean": np.full(90, np.nan)}, "holds values that no model has"),
        ({"buckets_0": np.array([1 << 30])}, "damaged"),
        ({"pages": np.array(["many"])}, "damaged"),
    ],
)
def test_impossible_values_are_explained(model, tmp_path, change, message):
    path = str(tmp_path / "lexical.npz")
    model.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | change)
    with pytest.raises(InputError, match=rf"lexical.npz: .*{message}"):
        LexicalModel.load(path)

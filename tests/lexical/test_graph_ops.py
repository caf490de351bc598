"""The lexical features as graph ops equal those computed by NumPy, also from a SavedModel."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_negaposi.lexical.features import lexical_features
from keras_negaposi.lexical.graph_ops import LexicalFeatures
from keras_negaposi.lexical.vocabulary import PageFrequencies
from tests.helpers.properties import bounded

SPEC = [tf.TensorSpec([None], tf.string)] * 2
ODD = [
    "",
    "\u3000",
    " a",
    "a\n\n b",
    "ﾀﾜｰ",
    "\ufeffabc",
    "\0x",
    "𠮷野家",
    "e\u0301",
    "\u200bx",
    "㍻",
    "。。",
    "\U0010ffff",
]
ALPHABET = "あいうえおですますだ。、 　\n漢字仮名東京タワーカナーABCabc０１２789()「」・-→!?？w\u3005\u30fc𠮷é\ufeff\0"


@pytest.fixture(scope="module")
def frequencies(corpus):
    return PageFrequencies.of([*corpus.values(), *ODD])


@pytest.fixture(scope="module")
def in_graph(frequencies):
    return tf.function(LexicalFeatures(frequencies).__call__, input_signature=SPEC, autograph=False)


def by_numpy(frequencies, a, b):
    return lexical_features(frequencies, [*a, *b], np.arange(len(a)), np.arange(len(a), 2 * len(a)))[1]


def odd_texts(count, seed=0):
    rng = random.Random(seed)
    long = ["".join(rng.choices(ALPHABET, k=rng.randrange(400))) for _ in range(count // 2)]
    return [*long, *(rng.choice(ODD) + "".join(rng.choices(ALPHABET, k=rng.randrange(9))) for _ in range(count // 2))]


def test_5000_odd_texts(frequencies, in_graph):
    texts = odd_texts(5000)
    random.Random(1).shuffle(texts)
    for start in range(0, len(texts), 1000):
        a, b = texts[start : start + 500], texts[start + 500 : start + 1000]
        np.testing.assert_allclose(in_graph(a, b), by_numpy(frequencies, a, b), rtol=1e-5, atol=1e-5)


def test_every_feature_is_used(frequencies, in_graph, corpus):
    """A constant column would be equal in both for no reason."""
    texts = [*odd_texts(400), *corpus.values(), *corpus.values()]
    values = in_graph(texts, texts[1:] + texts[:1]).numpy()
    names, _ = lexical_features(frequencies, texts[:1], np.array([0]), np.array([0]))
    assert values.shape[1] == len(names)
    assert not [name for name, column in zip(names, values.T, strict=True) if column.min() == column.max()]


@pytest.mark.parametrize("a", [[], [""], ["", "あ"]])
def test_few_and_empty_texts(frequencies, in_graph, a):
    np.testing.assert_allclose(
        in_graph(tf.constant(a, tf.string), tf.constant(a, tf.string)), by_numpy(frequencies, a, a)
    )


@bounded
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), min_size=1, max_size=5))
def test_property_any_text(frequencies, in_graph, pairs):
    a, b = ([text.encode("utf-8", "replace").decode() for text in side] for side in zip(*pairs, strict=True))
    np.testing.assert_allclose(in_graph(a, b), by_numpy(frequencies, a, b), rtol=1e-5, atol=1e-5)


def test_saved_and_loaded(frequencies, in_graph, tmp_path, corpus):
    module = LexicalFeatures(frequencies)
    module.compute = tf.function(module.__call__, input_signature=SPEC, autograph=False)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    texts = list(corpus.values())[:20]
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.compute(texts, texts[::-1]), in_graph(texts, texts[::-1]))


@pytest.mark.shared
def test_real_texts(shared):
    texts = list(json.loads((shared / "data/slides/honbun_data.json").read_text(encoding="utf-8")).values())
    frequencies = PageFrequencies.of(texts)
    in_graph = tf.function(LexicalFeatures(frequencies).__call__, input_signature=SPEC, autograph=False)
    a, b = texts[:2000], texts[1:2001]
    np.testing.assert_allclose(in_graph(a, b), by_numpy(frequencies, a, b), rtol=1e-5, atol=1e-5)

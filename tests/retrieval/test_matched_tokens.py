"""Matched tokens, by hand; `test_indexing` computes them with a run."""

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.modeling.heads.dot_attention import DotAttention
from keras_negaposi.retrieval.matched_tokens import TokenMatch, _attention, _nearest
from tests.helpers.checkpoints import CONFIG


def test_each_token_of_a_is_matched_with_the_most_similar_token_that_is_shown():
    cosines = np.array([[1.0, 0.9, 0.9, 0.9], [0.9, 0.2, 0.7, 0.9], [0.9, 0.4, 0.3, 0.9]], np.float32)
    found = list(_nearest(["", "山", "川"], ["", "海", "空"], cosines))
    assert found == [TokenMatch("山", "空", pytest.approx(0.7)), TokenMatch("川", "海", pytest.approx(0.4))]
    assert list(_nearest(["山"], [""], cosines)) == []


def test_attention_is_that_of_the_head():
    rng = np.random.default_rng(0)
    query, keys = rng.normal(size=8).astype(np.float32), rng.normal(size=(5, 8)).astype(np.float32)
    mask = np.array([1, 1, 1, 0, 0])
    scores = DotAttention(CONFIG, 8, False, "dot").attention(query[np.newaxis], tf.constant(keys[np.newaxis]))[0]
    expected = tf.nn.softmax(scores[:3]).numpy()
    np.testing.assert_allclose(_attention(query, keys, mask), [*expected, 0, 0], atol=1e-6)

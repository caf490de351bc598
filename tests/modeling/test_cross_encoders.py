"""The cross-encoders: A's and B's tokens in one input, and what their heads compute from them."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.input_pipeline.packing import JointPreprocessor
from keras_negaposi.modeling.heads.layers import side_masks
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from tests.helpers.heads import make, softmax
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import random_tf1_variables

LENGTH = 24


@pytest.fixture(scope="module")
def packed(tiny, texts):
    """Inputs of eight pairs; one has an empty A, one an empty B."""
    pack = JointPreprocessor(Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"]), LENGTH)
    texts = ["", *texts[:7]]
    inputs = pack(tf.constant(texts), tf.constant(texts[::-1]))
    return {name: inputs[name] for name in ENCODER_INPUTS}


def test_b_follows_the_first_separator_whatever_the_token_types():
    cls, sep, pad = 4, 5, 0
    rows = [
        ([cls, 9, 8, sep, 7, sep, pad], [0, 0, 0, 0, 1, 1, 0]),
        ([cls, sep, sep, pad, pad, pad, pad], [0, 0, 1, 0, 0, 0, 0]),
        ([cls, 9, sep, sep, 8, 7, sep], [0, 0, 0, 1, 1, 1, 1]),  # XLM-RoBERTa has two separators between the texts
        ([pad] * 7, [0] * 7),  # a row that only fills a batch
    ]
    ids, of_b = (tf.constant(column, tf.int32) for column in zip(*rows, strict=True))
    mask = tf.cast(ids != pad, tf.int32)
    mask_a, mask_b = side_masks(ids, mask)
    np.testing.assert_array_equal(mask_b, of_b)
    np.testing.assert_array_equal(mask_a + mask_b, mask)


def test_masks_are_those_of_the_token_types(packed):
    mask_a, mask_b = side_masks(packed["input_word_ids"], packed["input_mask"])
    np.testing.assert_array_equal(mask_b, packed["input_type_ids"] * packed["input_mask"])
    assert 0 < mask_a.numpy().sum() != mask_b.numpy().sum() > 0


def test_pair_maxsim_agrees_with_its_formula(tiny, packed):
    model = make(tiny, "pair_maxsim")
    values = {variable.name: variable.numpy() for variable in model.variables}
    rng = np.random.default_rng(1)
    for name, scale in (("tokens/bias", 1.0), ("standardize/mean", 0.1), ("standardize/deviation", 0.5)):
        variable = next(v for v in model.variables if name in v.name)
        values[variable.name] = rng.uniform(scale / 2, scale, variable.shape).astype(np.float32)
        variable.assign(values[variable.name])

    def of(part):
        (found,) = (value for name, value in values.items() if part in name and "encoder" not in name)
        return found

    config = BertConfig(**tiny.config)
    inputs = [packed[name].numpy() for name in ENCODER_INPUTS]
    expected = []
    for row, mask, types in zip(bert(random_tf1_variables(config), config, *inputs)[0][-1], *inputs[1:], strict=True):
        a, b = row[(mask > 0) & (types == 0)], row[(mask > 0) & (types == 1)]
        u, v = a.mean(axis=0), b.mean(axis=0)
        means = np.concatenate([u, v, abs(u - v), u * v])
        pooled = np.tanh(means @ of("means_pooler/kernel") + of("means_pooler/bias"))
        a, b = (tokens @ of("tokens/kernel") + of("tokens/bias") for tokens in (a, b))
        a, b = (tokens / np.linalg.norm(tokens, axis=1, keepdims=True) for tokens in (a, b))
        u, v = a.mean(axis=0), b.mean(axis=0)
        cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        numbers = np.array([(a @ b.T).max(axis=1).mean(), (a @ b.T).max(axis=0).mean(), cosine])
        numbers = (numbers - of("standardize/mean")) / of("standardize/deviation")
        logits = pooled @ of("comparison/kernel") + of("comparison/bias")
        expected.append(softmax(logits + numbers @ of("classifier/kernel") + of("classifier/bias")))
    np.testing.assert_allclose(model(packed), expected, atol=1e-4)
    assert np.ptp(np.array(expected)[:, 1]) > 0.01


@pytest.mark.parametrize("head", ["pair", "pair_means", "pair_maxsim"])
def test_padding_changes_no_probability(tiny, packed, head):
    model = make(tiny, head)
    longer = {name: tf.pad(value, [[0, 0], [0, 9]]) for name, value in packed.items()}
    np.testing.assert_allclose(model(longer), model(packed), atol=1e-5)


@pytest.mark.parametrize("types", [2, 1])
def test_pair_means_compares_the_means_of_a_and_b(tiny, packed, types):
    """Also with one token type for all tokens, as with XLM-RoBERTa's tokenizer."""
    model, config = make(tiny, "pair_means"), BertConfig(**tiny.config)
    layer = tf_keras.Model(model.inputs, model.get_layer("segment_means").output)
    of_b = packed["input_type_ids"].numpy() > 0
    given = packed | {"input_type_ids": tf.minimum(packed["input_type_ids"], types - 1)}
    inputs = [given[name].numpy() for name in ENCODER_INPUTS]
    states = bert(random_tf1_variables(config), config, *inputs)[0][-1]
    expected = []
    for row, mask, b in zip(states, inputs[1] > 0, of_b, strict=True):
        u, v = row[mask & ~b].mean(axis=0), row[mask & b].mean(axis=0)
        expected.append(np.concatenate([u, v, abs(u - v), u * v]))
    np.testing.assert_allclose(layer(given), expected, atol=1e-4)

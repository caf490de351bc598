"""The head ``maxsim``: late interaction by hand and in NumPy, its gradients and its precision."""

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config import HeadConfig
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, side_of
from keras_negaposi.modeling.common import encoder_of, float32_copy
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.heads.maxsim import late_interaction
from keras_negaposi.modeling.precision import precision
from tests.helpers.heads import make, softmax
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import random_tf1_variables


def side(*texts):
    """A side of ``maxsim`` from the directions of the tokens of each text, padded with tokens that would always win."""
    longest = max(map(len, texts)) + 2
    keys = [[*text, *[[1.0, 1.0]] * (longest - len(text))] for text in texts]
    keys = np.array(keys, np.float32)
    mask = np.arange(longest) < np.array([len(text) for text in texts])[:, None]
    return {"keys": keys / np.linalg.norm(keys, axis=2, keepdims=True), "mask": mask.astype(np.int32)}


def test_late_interaction_by_hand():
    right, up, left = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
    found = late_interaction(side([right, up], [right], [right]), side([up], [left], [right, up, left])).numpy()
    expected = [
        [(0 + 1) / 2, 1, 1 / np.sqrt(2)],  # B's only token is A's second one
        [-1, -1, -1],  # padding would win against the only token
        [1, (1 + 0 - 1) / 3, 0],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def maxsim_by_hand(model, a, b):
    """Compares the hidden states of two texts, ``[tokens, hidden]``, in NumPy: the probability of "next"."""
    a, b = (states @ model.projection.kernel.numpy() + model.projection.bias.numpy() for states in (a, b))
    a, b = (tokens / np.linalg.norm(tokens, axis=1, keepdims=True) for tokens in (a, b))
    cosines, means = a @ b.T, (a.mean(axis=0), b.mean(axis=0))
    cosine = means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1])
    numbers = np.array([cosines.max(axis=1).mean(), cosines.max(axis=0).mean(), cosine])
    standardized = (numbers - model.standardize.mean.numpy()) / model.standardize.deviation.numpy()
    return softmax(standardized @ model.classifier.kernel.numpy() + model.classifier.bias.numpy())[1]


@pytest.mark.parametrize("size", [5, 12, 20])
def test_maxsim_agrees_with_numpy(tiny, preprocessor, texts, size):
    model, config = make(tiny, "maxsim", head_size=size), BertConfig(**tiny.config)
    model.projection.bias.assign(np.linspace(-1, 1, size))
    model.standardize.mean.assign([0.1, 0.2, 0.3])
    model.standardize.deviation.assign([0.5, 0.25, 2.0])
    packed = preprocessor(tf.constant(["", *texts]), tf.constant([*texts, ""]))  # [CLS] and [SEP] are tokens too
    rows = {}
    for name in "ab":
        inputs = [packed[f"{name}_{part}"].numpy() for part in ENCODER_INPUTS]
        states = bert(random_tf1_variables(config), config, *inputs)[0][-1]
        rows[name] = [row[mask > 0] for row, mask in zip(states, inputs[1], strict=True)]
    expected = [maxsim_by_hand(model, a, b) for a, b in zip(rows["a"], rows["b"], strict=True)]
    np.testing.assert_allclose(model(packed).numpy()[:, 1], expected, atol=1e-5)
    assert np.ptp(expected) > 1e-3


def test_maxsim_learns_alike_in_training_and_inference(tiny, preprocessor, texts):
    model = make(tiny, "maxsim")
    model.encoder.trainable = False
    sides = [getattr(model, f"encode_{name}")(preprocessor.side(name, tf.constant(texts))) for name in "ab"]
    a, b = sides[0], {name: value[::-1] for name, value in sides[1].items()}
    together = model.probabilities(a, b, training=True).numpy()
    one = {name: value[:1] for name, value in a.items()}, {name: value[:1] for name, value in b.items()}
    np.testing.assert_allclose(model.probabilities(*one).numpy(), together[:1], atol=1e-6)  # no batch statistics


def test_maxsim_has_finite_gradients_for_texts_without_tokens(tiny, preprocessor):
    model = make(tiny, "maxsim")
    packed = preprocessor(tf.constant(["", ""]), tf.constant(["", "山"]))
    for empty in (packed, {name: tf.zeros_like(value) for name, value in packed.items()}):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(empty, training=True)[:, 1])
        gradients = [g for g in tape.gradient(loss, model.trainable_variables) if g is not None]
        assert len(gradients) > 4 and np.isfinite(loss.numpy())
        assert all(np.isfinite(tf.convert_to_tensor(g).numpy()).all() for g in gradients)


def test_maxsim_computes_the_comparison_in_float32(tiny, preprocessor, texts):
    with precision("bfloat16"):
        model = build(HeadConfig(head="maxsim"), BertConfig(**tiny.config))
    packed = preprocessor(tf.constant(texts), tf.constant(texts[::-1]))
    assert encoder_of(model).transformer_layers[0].compute_dtype == "bfloat16"
    assert model.encode_a(side_of(packed, "a"))["keys"].dtype == model(packed).dtype == tf.float32
    copy = float32_copy(model, lambda: build(HeadConfig(head="maxsim"), BertConfig(**tiny.config)))
    np.testing.assert_allclose(copy(packed).numpy(), model(packed).numpy(), atol=0.05)

"""The accelerated layers give the same results as tf-models' own."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.modeling import fast_layers
from keras_negaposi.modeling.common import random_generators, resumable_dropout
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.modeling.precision import precision
from tests.helpers.tiny_bert import TINY

RATE = 0.1
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def inputs(rows=4, length=9):
    rng = np.random.default_rng(3)
    mask = np.arange(length) < rng.integers(1, length + 1, (rows, 1))
    return {
        "input_word_ids": tf.constant(rng.integers(0, TINY["vocab_size"], (rows, length)), tf.int32),
        "input_mask": tf.constant(mask, tf.int32),
        "input_type_ids": tf.constant(rng.integers(0, TINY["type_vocab_size"], (rows, length)), tf.int32),
    }


def fast_and_plain(config):
    """Returns an accelerated and a plain encoder with the same weights."""
    fast, plain = accelerate(build_encoder(config)), build_encoder(config)
    rng = np.random.default_rng(1)
    values = [rng.normal(scale=0.3, size=weight.shape) for weight in plain.get_weights()]
    for encoder in (fast, plain):
        encoder.set_weights(values)
    return fast, plain


def both(outputs):
    return tf.reduce_sum(outputs["pooled_output"] ** 2) + tf.reduce_sum(outputs["sequence_output"] ** 3)


def outputs_and_gradients(encoder, loss=both):
    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            outputs = encoder(inputs(), training=True)
            value = loss(outputs)
        gradients = tape.gradient(value, encoder.trainable_variables)
        return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]

    return step()


def assert_close(gradients, expected):
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("approximate", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_outputs_and_gradients_are_the_same(compiled, approximate, monkeypatch):
    monkeypatch.setattr(fast_layers, "COMPILED_FROM", 1 if compiled else 1000)
    config = BertConfig.from_values(TINY | NO_DROPOUT | {"gelu_approximate": approximate}, "test")
    (fast, fast_gradients), (plain, gradients) = map(outputs_and_gradients, fast_and_plain(config))
    np.testing.assert_allclose(fast["sequence_output"], plain["sequence_output"], atol=1e-5)
    assert_close(fast_gradients, gradients)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_pooled_output_needs_only_the_first_token_of_the_last_layer(compiled, monkeypatch):
    monkeypatch.setattr(fast_layers, "COMPILED_FROM", 1 if compiled else 1000)
    config = BertConfig.from_values(TINY | NO_DROPOUT, "test")
    whole, first = (accelerate(build_encoder(config, output_range)) for output_range in (None, 1))
    rng = np.random.default_rng(1)
    whole.set_weights([rng.normal(scale=0.3, size=weight.shape) for weight in whole.get_weights()])
    first.set_weights(whole.get_weights())

    def pooled(outputs):
        return tf.reduce_sum(outputs["pooled_output"])

    (outputs, gradients), (wanted, wanted_gradients) = (outputs_and_gradients(each, pooled) for each in (first, whole))
    assert outputs["sequence_output"].shape[1] == 1
    np.testing.assert_allclose(outputs["pooled_output"], wanted["pooled_output"], atol=1e-6)
    assert_close(gradients, wanted_gradients)


def test_the_same_in_bfloat16():
    config = BertConfig.from_values(TINY | NO_DROPOUT, "test")
    with precision("bfloat16"):
        fast, plain = fast_and_plain(config)
    exact, _ = fast_and_plain(config)
    ours, theirs, right = (model(inputs())["sequence_output"].numpy() for model in (fast, plain, exact))
    assert np.abs(ours - right).max() <= 2 * np.abs(theirs - right).max() < 0.2


@pytest.mark.parametrize("training", [False, True])
def test_inference_in_bfloat16_keeps_the_gelu_next_to_its_product(training):
    with precision("bfloat16"):
        encoder = accelerate(build_encoder(BertConfig.from_values(TINY, "test")))
    encoder(inputs())
    dense, states = encoder.transformer_layers[0]._intermediate_dense, []

    def observed(call):
        def observe(values):
            states.append(call(values))
            return states[-1]

        return observe

    dense.call = observed(dense.call)
    encoder(inputs(), training=training)
    assert states[-1].dtype == (tf.float32 if training else tf.bfloat16)


@pytest.mark.parametrize("compiled", [True, False])
def test_dropout_keeps_the_mean_and_differs_between_calls(compiled, monkeypatch):
    monkeypatch.setattr(fast_layers, "COMPILED_FROM", 1 if compiled else 1000)
    with resumable_dropout():
        encoder = accelerate(build_encoder(BertConfig.from_values(TINY | {"hidden_dropout_prob": RATE}, "test")))
    layer = next(layer for layer in encoder.submodules if isinstance(layer, tf.keras.layers.Dropout) and layer.rate)
    ones = tf.ones([1001, 333])  # an odd number of elements
    with tf.GradientTape() as tape:
        tape.watch(ones)
        first = layer(ones, training=True)
    second = layer(ones, training=True).numpy()
    np.testing.assert_array_equal(tape.gradient(first, ones), first)
    kept = first.numpy()[first.numpy() != 0]
    np.testing.assert_allclose(kept, 1 / (1 - RATE), rtol=1e-4)
    deviation = np.sqrt(RATE * (1 - RATE) / second.size)
    assert abs((second == 0).mean() - RATE) < 4 * deviation
    assert abs(((second == 0) & (first.numpy() == 0)).mean() - RATE**2) < 4 * deviation
    np.testing.assert_array_equal(layer(ones, training=False), ones)


@pytest.mark.parametrize("compiled", [True, False])
def test_dropout_differs_between_calls_and_can_be_resumed(compiled, monkeypatch):
    monkeypatch.setattr(fast_layers, "COMPILED_FROM", 1 if compiled else 1000)
    with resumable_dropout():
        encoder = accelerate(build_encoder(BertConfig.from_values(TINY, "test")))

    def outputs():
        return encoder(inputs(), training=True)["sequence_output"].numpy()

    generators = random_generators(encoder)
    states = [generator.state.numpy() for generator in generators]
    first, second = outputs(), outputs()
    assert np.abs(first - second).max() > 0.01
    for generator, state in zip(generators, states, strict=True):
        generator.state.assign(state)
    np.testing.assert_array_equal(outputs(), first)
    np.testing.assert_array_equal(outputs(), second)
    undropped = encoder(inputs(), training=False)["sequence_output"]
    np.testing.assert_array_equal(encoder(inputs())["sequence_output"], undropped)


@pytest.mark.parametrize("compiled", [True, False])
def test_an_encoder_can_be_saved_as_a_model(compiled, tmp_path, monkeypatch):
    monkeypatch.setattr(fast_layers, "COMPILED_FROM", 1 if compiled else 1000)
    encoder = accelerate(build_encoder(BertConfig.from_values(TINY, "test")))
    expected = encoder(inputs())["sequence_output"].numpy()
    encoder.save(str(tmp_path / "saved_model"))
    loaded = tf.keras.models.load_model(str(tmp_path / "saved_model"))
    np.testing.assert_allclose(loaded(inputs())["sequence_output"], expected, atol=1e-6)
    with tf.GradientTape() as tape:  # and it can be trained
        loss = tf.reduce_sum(loaded(inputs(), training=True)["sequence_output"] ** 2)
    assert any(gradient is not None for gradient in tape.gradient(loss, loaded.trainable_variables))


@pytest.mark.parametrize("member", ["_intermediate_dense", "_masked_softmax", "_random_generator"])
def test_without_a_private_member_the_encoder_stays_as_it_is(member, caplog):
    encoder = build_encoder(BertConfig.from_values(TINY | NO_DROPOUT, "test"))
    block = encoder.transformer_layers[1]
    owner = {"_masked_softmax": block._attention_layer, "_random_generator": block._output_dropout}.get(member, block)
    before = encoder(inputs())["sequence_output"].numpy()
    with lacking(owner, member):
        assert accelerate(encoder) is encoder
    assert caplog.text.count(member) == 1 and "slower" in caplog.text
    assert "call" not in encoder.transformer_layers[0]._output_dense.__dict__
    np.testing.assert_array_equal(encoder(inputs())["sequence_output"], before)


@contextlib.contextmanager
def lacking(owner, member):
    """Within it the object lacks the attribute, as in another release."""

    def missing(self):
        raise AttributeError(member)

    real = owner.__class__
    kept = owner.__dict__.get(member)
    owner.__dict__.pop(member, None)
    owner.__class__ = type(real.__name__, (real,), {member: property(missing)})
    yield
    owner.__class__ = real
    if kept is not None:
        owner.__dict__[member] = kept

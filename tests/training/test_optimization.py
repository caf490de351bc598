"""Compares the optimizer and the schedule with a NumPy copy of google-research/bert's formulas."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from keras_negaposi.training.optimizer import BertAdam, warmup_then_linear

STEPS = 200


def schedule_formula(peak, step, total, warmup):
    linear = peak * (1 - min(step, total) / total)
    return peak * step / warmup if step < warmup else linear


@pytest.mark.parametrize("total, proportion", [(1047, 0.1), (50, 0.0), (7, 0.5)])
def test_the_schedule_equals_the_original(total, proportion):
    schedule = warmup_then_linear(3e-4, total, proportion)
    warmup = int(total * proportion)
    for step in range(total + 3):
        assert float(schedule(step)) == pytest.approx(schedule_formula(3e-4, step, total, warmup), abs=1e-10)


@pytest.mark.parametrize("corrected", [False, True])
def test_200_updates_equal_the_formulas(corrected):
    rng = np.random.default_rng(0)
    shapes = {"dense/kernel": (5, 3), "dense/bias": (3,), "layer_norm/gamma": (4,)}
    start = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    variables = [tf.Variable(value, name=name) for name, value in start.items()]
    peak, warmup = 0.01, 20
    optimizer = BertAdam(warmup_then_linear(peak, STEPS, 0.1), bias_correction=corrected)

    weights = {name: value.astype(np.float64) for name, value in start.items()}
    m = {name: np.zeros(shape) for name, shape in shapes.items()}
    v = {name: np.zeros(shape) for name, shape in shapes.items()}
    clipped_steps = 0
    for step in range(STEPS):
        grads = {name: rng.normal(scale=0.3, size=shape).astype(np.float32) for name, shape in shapes.items()}
        optimizer.apply_gradients(zip([tf.constant(g) for g in grads.values()], variables, strict=True))
        norm = np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads.values()))
        clipped_steps += norm > 1.0
        rate = schedule_formula(peak, step, STEPS, warmup)
        for name, grad in grads.items():
            grad = grad.astype(np.float64) / max(norm, 1.0)
            m[name] = 0.9 * m[name] + 0.1 * grad
            v[name] = 0.999 * v[name] + 0.001 * grad**2
            share_m, share_v = (1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)) if corrected else (1, 1)
            update = np.sqrt(share_v) / share_m * m[name] / (np.sqrt(v[name]) + 1e-6)
            if name == "dense/kernel":
                update = update + 0.01 * weights[name]
            weights[name] = weights[name] - rate * update
    assert 0 < clipped_steps < STEPS  # both branches of the clipping were taken
    for variable, name in zip(variables, shapes, strict=True):
        np.testing.assert_allclose(variable.numpy(), weights[name], atol=2e-6)
        assert np.abs(weights[name] - start[name]).max() > 0.01


def test_rows_that_were_not_looked_up_are_updated_too():
    table = tf.Variable(tf.ones([4, 2]), name="word_embeddings/embeddings")
    optimizer = BertAdam(0.1)
    gradient = tf.IndexedSlices(tf.constant([[1.0, 1.0], [1.0, 1.0]]), tf.constant([2, 2]), tf.constant([4, 2]))
    optimizer.apply_gradients([(gradient, table)])
    decayed = 1 - 0.1 * 0.01
    np.testing.assert_allclose(table.numpy()[0], decayed, rtol=1e-6)
    assert table.numpy()[2, 0] < decayed - 0.01


def test_optimizer_config_round_trips():
    optimizer = BertAdam(warmup_then_linear(1e-3, 10, 0.0), epsilon=1e-5, bias_correction=True)
    restored = tf_keras.optimizers.get(tf_keras.optimizers.serialize(optimizer))
    assert restored.bias_correction
    assert (restored.epsilon, restored.weight_decay, restored.global_clipnorm) == (1e-5, 0.01, 1.0)

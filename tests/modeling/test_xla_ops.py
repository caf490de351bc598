"""The compiled operations give the same results and gradients as the operations that they replace."""

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.modeling import xla_ops

RATE = 0.1
SHAPE = (64, 12, 33, 37)


def key(seed):
    return tf.random.Generator.from_seed(seed).uniform([2], minval=None, maxval=None, dtype=tf.int32)


def dropped(seed, shape=SHAPE):
    return xla_ops.dropout(tf.ones(shape), RATE, key(seed)).numpy() == 0


def share_of_both(one, other):
    """Deviation from the overlap of two independent dropouts, in standard deviations."""
    return ((one & other).mean() - RATE**2) / np.sqrt(RATE**2 * (1 - RATE**2) / one.size)


def test_dropout_keeps_the_mean_and_its_gradient_drops_the_same():
    ones = tf.ones(SHAPE)
    with tf.GradientTape() as tape:
        tape.watch(ones)
        outputs = xla_ops.dropout(ones, RATE, key(0))
    np.testing.assert_array_equal(tape.gradient(outputs, ones, 3 * ones), 3 * outputs.numpy())
    left = outputs.numpy()[outputs.numpy() != 0]
    np.testing.assert_allclose(left, 1 / (1 - RATE), rtol=1e-6)
    np.testing.assert_array_equal(xla_ops.dropout(ones, RATE, key(0)), outputs)


@pytest.mark.parametrize("seed", range(5))
def test_the_dropped_share_is_that_of_chance_along_every_axis(seed):
    drops = dropped(seed)
    deviation = np.sqrt(RATE * (1 - RATE))
    assert abs(drops.mean() - RATE) < 4 * deviation / np.sqrt(drops.size)
    for axis in range(len(SHAPE)):  # each row, each column, ...
        shares = np.moveaxis(drops, axis, 0).reshape(SHAPE[axis], -1)
        scores = (shares.mean(1) - RATE) / deviation * np.sqrt(shares.shape[1])
        assert np.abs(scores).max() < 4.5
        assert 0.6 < scores.std() < 1.5


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_and_keys_are_independent(seed):
    drops = dropped(seed).ravel()
    for lag in (1, 2, 3, 37, 64, 1024, 33 * 37, 2**16):
        assert abs(share_of_both(drops[:-lag], drops[lag:])) < 4.5
    other = dropped(seed + 100).ravel()
    assert abs(share_of_both(drops, other)) < 4.5
    for lag in (1, 37):  # not the same mask, shifted
        assert abs(share_of_both(drops[lag:], other[:-lag])) < 4.5


def test_similar_keys_are_independent():
    ones = tf.ones(SHAPE)
    first, *others = (xla_ops.dropout(ones, RATE, tf.constant(key)).numpy() == 0 for key in ([6, 1], [6, 2], [8, 1]))
    for other in others:
        assert abs(share_of_both(first, other)) < 4.5


def gradients(work, *given):
    """Returns outputs of ``work(*given)`` and the gradients for a random upstream gradient."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = work(*given)
    upstream = tf.random.stateless_normal(outputs.shape, [3, 4])
    return outputs, tape.gradient(outputs, given, tf.cast(upstream, outputs.dtype))


def check_same(work, plain, *given):
    outputs, found = gradients(work, *given)
    exact, wanted = gradients(plain, *(tf.cast(values, tf.float64) for values in given))
    np.testing.assert_allclose(outputs, exact, atol=1e-6)
    assert len(found) == len(wanted) == len(given)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6 * max(1, np.abs(theirs).max()))


def test_softmax_with_dropout_has_the_gradient_of_both():
    scores = 3 * tf.random.stateless_normal([3, 4, 5, 6], [1, 2])
    drops = tf.random.stateless_uniform(scores.shape, [5, 6]) < 0.3

    def drop(weights):
        return tf.where(drops, tf.zeros([], weights.dtype), weights / 0.7)

    check_same(
        lambda scores: xla_ops.softmax_with_dropout(tf.nn.softmax, drop, scores),
        lambda scores: drop(tf.nn.softmax(scores)),
        scores,
    )


def test_layer_normalization():
    inputs = 5 + 2 * tf.random.stateless_normal([3, 7, 19], [1, 2])
    scale, offset = 1 + tf.random.stateless_normal([2, 19], [3, 4])

    def plain(inputs, scale, offset):
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, offset, scale, 1e-12)

    check_same(lambda *given: xla_ops.layer_normalization(*given, epsilon=1e-12), plain, inputs, scale, offset)


def test_an_activation():
    inputs = tf.random.stateless_normal([7, 19], [1, 2])
    check_same(xla_ops.activation(tf.nn.gelu), tf.nn.gelu, inputs)

"""What Keras says about our callbacks."""

import contextlib
import logging
import time

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from keras_negaposi.training.callbacks import no_timing_warnings


class Slow(tf_keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.05)
        tf.get_logger().warning("another warning")


@pytest.mark.parametrize("context, complaints", [(contextlib.nullcontext, 1), (no_timing_warnings, 0)])
def test_only_keras_complaint_about_slow_callbacks_is_left_out(context, complaints):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    model = tf_keras.Sequential([tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    tf.get_logger().addHandler(handler)
    try:
        with context():
            model.fit(np.zeros((12, 1)), np.zeros((12, 1)), batch_size=1, verbose=0, callbacks=[Slow()])
    finally:
        tf.get_logger().removeHandler(handler)
    assert lines.count("another warning") == 12
    assert len([line for line in lines if "is slow compared to" in line]) == complaints

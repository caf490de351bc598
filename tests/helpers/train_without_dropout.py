"""Trains without dropout on a given number of logical CPUs; the result must not depend on their number.

python tests/helpers/train_without_dropout.py PROCESSORS OPTIONS_AS_JSON [scores]

With ``scores``, the run ends with its scores: it is neither exported nor evaluated.
"""

import json
import sys

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import make_parser, run_command
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.heads import is_cacheable
from keras_negaposi.training import run


def head(pooled, config):
    logits = tf_keras.layers.Dense(2, dtype=tf.float32, name="classifier")(pooled)
    return tf_keras.layers.Softmax(dtype=tf.float32)(logits)


def main(processors, options, end=""):
    if end == "scores":
        run.export, run.evaluate_finished_run = (lambda *_: None), (lambda path: None)
    devices = [tf.config.LogicalDeviceConfiguration()] * processors
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    parser = make_parser("train_without_dropout", __doc__)
    config = TrainConfig(**options)
    more = {} if is_cacheable(config.head) else {"head": head}
    return run_command(parser, lambda _: run.run(config, **more) and None, [])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2]), *sys.argv[3:]))

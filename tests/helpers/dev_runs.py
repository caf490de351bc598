"""Runs that evaluate the dev part: their options, and what they keep."""

import tensorflow as tf

from keras_negaposi.evaluation.dev_history import read_dev_history

STEPS = 24
OPTIONS = {  # with them, the dev loss falls, but not at every evaluation and not to the end
    "head": "vector",
    "split": "grouped",
    "max_seq_length": 37,
    "train_batch_size": 16,
    "num_train_epochs": 3.0,
    "max_steps": STEPS,
    "learning_rate": 0.01,
    "head_learning_rate": 0.05,
    "save_checkpoints_steps": 7,
    "log_every_steps": 5,
    "length_buckets": 1,
    "precision": "float32",
    "rank_queries": 0,
    "dev_share": 0.2,
    "eval_steps": 4,
}


def history(folder):
    return read_dev_history(str(folder / "dev_history.json"))


def read_weights(model, prefix):
    status = tf.train.Checkpoint(model=model).read(str(prefix))
    status.assert_existing_objects_matched()
    status.expect_partial()  # no message about the optimizer's variables

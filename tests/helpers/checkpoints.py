"""Checkpoints of a tiny BERT to be read by whatever reads them."""

import json

import numpy as np

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.formats.tf1 import write_checkpoint
from checkpoints_tools.source import open_source
from tests.helpers.tiny_bert import TINY, random_tf1_variables

CONFIG = BertConfig(**TINY)


def all_variables(config=CONFIG):
    """An encoder, both pre-training heads, a classifier, slots and a step."""
    rng = np.random.default_rng(3)
    width = config.hidden_size

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return random_tf1_variables(config) | {
        "cls/predictions/transform/dense/kernel": normal(width, width),
        "cls/predictions/transform/dense/bias": normal(width),
        "cls/predictions/transform/LayerNorm/gamma": normal(width),
        "cls/predictions/transform/LayerNorm/beta": normal(width),
        "cls/seq_relationship/output_bias": normal(2),
        "output_weights": normal(3, width),
        "output_bias": normal(3),
    }


def is_weight(name):
    return "adam" not in name and name != "global_step"


def save_tf1(folder, variables, config=CONFIG):
    folder.mkdir(exist_ok=True)
    (folder / "bert_config.json").write_text(json.dumps(config.to_google()))
    write_checkpoint(str(folder / "model.ckpt-7"), variables)
    return str(folder)


def assert_same(weights, variables):
    expected = {name: value for name, value in variables.items() if is_weight(name)}
    assert {name for name in weights if is_weight(name)} == expected.keys()
    for name, value in expected.items():
        assert weights.variables[name].shape == value.shape
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


def write_config(folder, **changes):
    path = folder / "bert_config.json"
    path.write_text(json.dumps(CONFIG.to_google() | changes))
    return path


def read_all(path, config=None):
    """Opens a checkpoint and reads every variable."""
    source = open_source(str(path), config)
    for name in source.weights:
        source.weights[name]
    return source

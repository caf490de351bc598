"""The training step of every head is translated for XLA, as for a TPU, with the in-batch loss where it has one."""

from functools import partial

import pytest
import tensorflow as tf

from keras_negaposi.config import TrainConfig
from keras_negaposi.config.heads import HEADS
from keras_negaposi.config.losses import BINARY, BINARY_AND_IN_BATCH
from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.modeling import fast_layers
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.training.fit import build_for_training
from keras_negaposi.training.similar_batches import choose_batches


@pytest.mark.parametrize("head", HEADS)
def test_every_step_is_translated_for_xla(tiny, tmp_path, monkeypatch, head):
    loss = BINARY_AND_IN_BATCH if HEADS[head].in_batch else BINARY
    monkeypatch.setattr(fast_layers, "_compiles", lambda width: False)  # a TPU's layers
    more = {"head": head, "loss": loss, "max_seq_length": 20, "train_batch_size": 8, "output_dir": "unused"}
    config = TrainConfig(**tiny.flags | more, precision="bfloat16")
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer, config.layout)
    chosen = choose_batches(inputs, config, 1)
    batch = next(iter(train_dataset(prepare(inputs, str(tmp_path)), BatchOptions(8), chosen=chosen)))
    build_model = partial(build, config, pretrained.bert_config)
    model = build_for_training(config, pretrained, 8, build_model, tf.distribute.get_strategy())
    step = tf.function(lambda *batch: model.train_step(batch), jit_compile=True, autograph=False)
    program = step.experimental_get_compiler_ir(*batch)(stage="hlo")  # raises for an operation that XLA lacks
    assert "dot(" in program

"""``--frozen_layers``: what is not trained, and that it computes the same in training."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import assign_encoder
from keras_negaposi.config import HeadConfig
from keras_negaposi.modeling.common import encoder_of
from keras_negaposi.modeling.heads import build
from tests.helpers.tiny_bert import random_tf1_variables


@pytest.mark.parametrize("head", ["pair_means", "midfusion"])
def test_frozen_layers_keep_the_checkpoint_and_others_do_not(tiny, head):
    config = BertConfig(**tiny.config)
    options = {"separate_layers": 1} if head == "midfusion" else {}
    model = build(HeadConfig(head=head, frozen_layers=1, **options), config)
    encoder = encoder_of(model)
    assign_encoder(encoder, random_tf1_variables(config), config)
    before = {variable.name: variable.numpy() for variable in encoder.variables}
    sides = ("",) if head == "pair_means" else ("a_", "b_")
    ids = tf.constant([[4, 9, 8, 5, 9, 5], [4, 7, 5, 8, 8, 5]])
    values = {
        "input_word_ids": ids,
        "input_mask": tf.ones_like(ids),
        "input_type_ids": tf.constant([[0, 0, 0, 1, 1, 1]] * 2),
    }
    inputs = {side + name: value for side in sides for name, value in values.items()}
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(inputs, tf.constant([0, 1]), verbose=0)
    changed = {variable.name for variable in encoder.variables if (variable.numpy() != before[variable.name]).any()}
    frozen = {name for name in before if "embedding" in name or "layer_0/" in name}
    assert frozen and not changed & frozen
    assert changed == {name for name in before if "layer_1/" in name and "key/bias" not in name}


@pytest.mark.parametrize("frozen", [0, 1])
def test_frozen_layers_compute_the_same_in_training(tiny, frozen):
    config = BertConfig(**tiny.config)
    encoder = encoder_of(build(HeadConfig(head="pair_means", frozen_layers=frozen), config))
    lowest = tf_keras.Model(encoder.inputs, encoder.get_layer("transformer/layer_0").output)
    ids = tf.constant([[4, 9, 8, 5, 9, 5]])
    inputs = {"input_word_ids": ids, "input_mask": tf.ones_like(ids), "input_type_ids": tf.zeros_like(ids)}
    same = np.allclose(lowest(inputs, training=True), lowest(inputs, training=False), atol=1e-6)
    assert same == (frozen == 1)

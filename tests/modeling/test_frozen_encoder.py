"""Tests of the frozen encoder."""

import functools
import itertools

import numpy as np
import tensorflow as tf

from keras_negaposi.config import BaselineConfig
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.modeling.frozen_encoder import FrozenEncoder
from keras_negaposi.modeling.pretrained import read_pretrained
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import random_tf1_variables

LENGTH = 24


def test_embeddings_are_in_the_order_of_the_texts_whatever_the_batch(tiny, corpus):
    pretrained = read_pretrained(BaselineConfig(**tiny.flags, max_seq_length=LENGTH))
    encoder = FrozenEncoder(pretrained, LENGTH, "float32")
    texts = ["りんごを買う" * 9, "", "山", *list(corpus.values())[:10], "山"]
    done = []
    together = encoder.encode(texts, 4, done.append)
    assert together.dtype == np.float32 and together.shape == (len(texts), *encoder.embedding_shape)
    assert done == [4, 8, 12, len(texts)]
    alone = [encoder.encode([text], 1)[0] for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([], 4).shape == (0, *encoder.embedding_shape)


def test_a_fingerprint_tells_whatever_changes_embeddings(tiny, tmp_path):
    (tmp_path / "other.vocab").write_text(open(tiny.flags["vocab_file"], encoding="utf-8").read() + "\n")
    flags = [{}, {"do_lower_case": False}, {"vocab_file": str(tmp_path / "other.vocab")}]
    models = [read_pretrained(BaselineConfig(**tiny.flags | changed, max_seq_length=LENGTH)) for changed in flags]
    options = itertools.product((LENGTH, LENGTH - 1), ("float32", "bfloat16"))
    encoders = [FrozenEncoder(model, *option) for model, option in itertools.product(models, options)]
    assert len({encoder.fingerprint() for encoder in encoders}) == len(encoders)
    assert encoders[0].fingerprint() == FrozenEncoder(models[0], LENGTH, "float32").fingerprint()


def test_token_states_are_those_of_the_heads_inputs_without_padding(tiny, corpus):
    pretrained = read_pretrained(BaselineConfig(**tiny.flags, max_seq_length=LENGTH))
    preprocessor = SeparatePreprocessor(pretrained.tokenizer, LENGTH, "start")
    texts = ["りんごを買う" * 9, "", "山", *list(corpus.values())[:10], "山"]
    encoder, done = FrozenEncoder(pretrained, LENGTH, "float32"), []
    for side in "ab":
        found = encoder.token_states(texts, functools.partial(preprocessor.side, side), 4, done.append)
        inputs = [preprocessor.side(side, tf.constant(texts))[name].numpy() for name in ENCODER_INPUTS]
        states = bert(random_tf1_variables(pretrained.bert_config), pretrained.bert_config, *inputs)[0][-1]
        for row, mask, tokens in zip(states, inputs[1], found, strict=True):
            np.testing.assert_allclose(tokens, row[mask > 0], atol=1e-4)
    assert done == [4, 8, 12, len(texts)] * 2

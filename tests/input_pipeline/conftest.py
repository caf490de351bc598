"""Pairs of the tiny corpus as inputs and as records, in both layouts."""

import dataclasses

import pytest

from keras_negaposi.config import PrepareConfig
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from tests.helpers.batches import LENGTH


@pytest.fixture(scope="module")
def inputs(tiny):
    config = PrepareConfig(**tiny.flags, max_seq_length=LENGTH, dev_share=0.1)
    return read_inputs(config, Tokenizer(config.model_file, config.vocab_file), config.layout)


@pytest.fixture(scope="module")
def records(inputs, tmp_path_factory):
    return prepare(inputs, str(tmp_path_factory.mktemp("records")))


@pytest.fixture(scope="module")
def apart(inputs, tmp_path_factory):
    config = dataclasses.replace(inputs.config, head="vector", max_seq_length=29)
    inputs = read_inputs(config, inputs.preprocessor.tokenizer, config.layout)
    return inputs, prepare(inputs, str(tmp_path_factory.mktemp("apart")))

"""Texts, and what packs them for heads that encode A and B separately."""

import pytest

from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.tokenizers.sentencepiece import Tokenizer

ROOM = 20


@pytest.fixture(scope="module")
def texts(corpus):
    return list(corpus.values())[:12]


@pytest.fixture(scope="module")
def preprocessor(tiny):
    tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])
    return SeparatePreprocessor(tokenizer, ROOM)

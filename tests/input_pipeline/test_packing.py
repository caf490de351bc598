"""Packed pairs agree with run_classifier.py."""

import random

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.input_pipeline.packing import JointPreprocessor, pack_singles
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from tests.helpers.tokenizers import ODD_TEXTS


def truncate_seq_pair(a, b, room):
    """Truncates as run_classifier.py of google-research/bert does."""
    a, b = list(a), list(b)
    while len(a) + len(b) > room:
        (a if len(a) > len(b) else b).pop()
    return a, b


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])


@pytest.mark.parametrize("truncate_a", ["end", "start"])
@pytest.mark.parametrize("max_seq_length", [5, 6, 16, 23])
def test_packing_agrees_with_the_original(tokenizer, corpus, max_seq_length, truncate_a):
    rng = random.Random(max_seq_length)
    texts = [*corpus.values(), "", "りんご", *ODD_TEXTS]
    pairs = [(rng.choice(texts), rng.choice(texts)) for _ in range(300)]
    pairs += [(text, text) for text in texts]  # equal lengths
    packed = JointPreprocessor(tokenizer, max_seq_length, truncate_a)(
        *(tf.constant(side) for side in zip(*pairs, strict=True))
    )
    ids = dict(zip(texts, tokenizer.encode(texts), strict=True))
    for row, (text_a, text_b) in enumerate(pairs):
        a, b = truncate_seq_pair(ids[text_a], ids[text_b], max_seq_length - 3)
        if truncate_a == "start":  # the same number of pieces, from the other end
            a = ids[text_a][len(ids[text_a]) - len(a) :]
        word_ids = [tokenizer.cls_id, *a, tokenizer.sep_id, *b, tokenizer.sep_id]
        padding = [0] * (max_seq_length - len(word_ids))
        assert packed["input_word_ids"][row].numpy().tolist() == word_ids + padding
        assert packed["input_mask"][row].numpy().tolist() == [1] * len(word_ids) + padding
        assert packed["input_type_ids"][row].numpy().tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 1) + padding
        assert bool(packed["truncated"][row]) == (len(a) + len(b) < len(ids[text_a]) + len(ids[text_b]))


def test_unknown_pieces_are_not_masked(tokenizer):
    packed = pack_singles(tokenizer, tf.constant(["𠮷"]), 7)
    length = int(np.sum(packed["input_mask"]))
    assert 0 in packed["input_word_ids"][0, :length].numpy()
    assert packed["input_word_ids"][0, length - 1] == tokenizer.sep_id


def test_single_texts_are_truncated(tokenizer, corpus):
    text = max(corpus.values(), key=len)
    packed = pack_singles(tokenizer, tf.constant([text]), 8)
    expected = [tokenizer.cls_id, *tokenizer.encode([text])[0][:6], tokenizer.sep_id]
    assert packed["input_word_ids"].numpy().tolist() == [expected]

"""Packed pairs agree with run_classifier.py."""

import random

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig
from keras_negaposi.input_pipeline.packing import (
    PREPROCESSORS,
    JointPreprocessor,
    SeparatePreprocessor,
    make_preprocessor,
    pack_singles,
)
from keras_negaposi.input_pipeline.token_spans import TokenSpans
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


def test_a_is_truncated_at_its_start_and_b_at_its_end(tokenizer, corpus):
    text = max(corpus.values(), key=len)
    (ids,) = tokenizer.encode([text])
    assert len(ids) > 6
    packed = SeparatePreprocessor(tokenizer, 8, "start")(tf.constant([text]), tf.constant([text]))
    wanted = {"a": ids[-6:], "b": ids[:6]}
    for side, kept_ids in wanted.items():
        row = packed[f"{side}_input_word_ids"].numpy()[0].tolist()
        assert row == [tokenizer.cls_id, *kept_ids, tokenizer.sep_id]
        types = packed[f"{side}_input_type_ids"].numpy()[0]
        assert (types == (side == "b")).all()
    assert packed["truncated"].numpy().tolist() == [True]
    lengths = np.array([[len(ids), 3]])
    assert SeparatePreprocessor(tokenizer, 8).pieces_cut(lengths).tolist() == [len(ids) - 6]


@pytest.mark.parametrize("truncate_a", ["end", "start"])
@pytest.mark.parametrize("max_seq_length", [14, 30, 200])
def test_a_prefix_is_before_every_text_and_never_cut(tokenizer, corpus, max_seq_length, truncate_a):
    prefixes = {"a": "質問: ", "b": "本文: "}
    texts = [*corpus.values(), "", *ODD_TEXTS]
    ids = dict(zip(texts, tokenizer.encode(texts), strict=True))
    before = {side: tokenizer.encode([prefix])[0] for side, prefix in prefixes.items()}
    assert before["a"] and before["b"] and before["a"] != before["b"]
    a, b = texts, texts[::-1]
    options = (max_seq_length, truncate_a, *prefixes.values())

    room = max_seq_length - 3 - len(before["a"]) - len(before["b"])
    packed = JointPreprocessor(tokenizer, *options).traced(tf.constant(a), tf.constant(b))
    for row, (text_a, text_b) in enumerate(zip(a, b, strict=True)):
        kept_a, kept_b = truncate_seq_pair(ids[text_a], ids[text_b], room)
        if truncate_a == "start":
            kept_a = ids[text_a][len(ids[text_a]) - len(kept_a) :]
        first = [tokenizer.cls_id, *before["a"], *kept_a, tokenizer.sep_id]
        second = [*before["b"], *kept_b, tokenizer.sep_id]
        length = int(packed["input_mask"][row].numpy().sum())
        assert packed["input_word_ids"][row, :length].numpy().tolist() == first + second
        assert packed["input_type_ids"][row, :length].numpy().tolist() == [0] * len(first) + [1] * len(second)

    separate = SeparatePreprocessor(tokenizer, *options)
    packed = separate.traced(tf.constant(a), tf.constant(b))
    for side, side_texts in (("a", a), ("b", b)):
        alone = separate.side(side, tf.constant(side_texts))
        for row, text in enumerate(side_texts):
            room = max_seq_length - 2 - len(before[side])
            kept = ids[text][-room:] if side == "a" and truncate_a == "start" else ids[text][:room]
            length = int(packed[f"{side}_input_mask"][row].numpy().sum())
            expected = [tokenizer.cls_id, *before[side], *kept, tokenizer.sep_id]
            assert packed[f"{side}_input_word_ids"][row, :length].numpy().tolist() == expected
        for name in ("input_word_ids", "input_mask", "input_type_ids"):
            np.testing.assert_array_equal(alone[name], packed[f"{side}_{name}"])


@pytest.mark.parametrize("layout", PREPROCESSORS)
def test_pieces_that_a_prefix_displaces_count_as_cut(tokenizer, layout):
    preprocessor = PREPROCESSORS[layout](tokenizer, 20, "end", "質問: ", "")
    texts = ["りんごを買う。" * 5, "山"]
    a, b = (TokenSpans.of(tokenizer.tokenize(tf.constant([text]))) for text in texts)
    kept = sum(int(part.spans.sizes[0]) for parts in preprocessor.cut(a, b)[0].values() for part in parts)
    lengths = np.array([[len(ids) for ids in tokenizer.encode(texts)]])
    assert preprocessor.pieces_cut(lengths).tolist() == [lengths.sum() - kept]
    assert lengths.sum() > kept


@pytest.mark.parametrize("layout", PREPROCESSORS)
def test_a_prefix_that_leaves_no_room_is_refused(tokenizer, layout):
    config = DataConfig(max_seq_length=16, prefix_a="会議で話す。" * 9)
    with pytest.raises(InputError, match=r"--max_seq_length 16: --prefix_a has \d+ pieces and --prefix_b has 0, "):
        make_preprocessor(config, tokenizer, layout)

"""The tokenizer agrees with bert-japanese, and packed pairs with run_classifier.py."""

import io
import json
import random

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from keras_negaposi.input_pipeline.packing import JointPreprocessor, pack_singles
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.tokenizers.sentencepiece_op import Segmentation

ODD_TEXTS = [
    "",
    " ",
    "ＡＢＣ ｱｲｳ",
    "İstanbul ΑΣ",
    "𠀋𠮷の家",
    "[CLS] [SEP] <s> </s> <unk>",
    "a\0B",
    "…‥--- www 1111111",
    "é É e\u0301",
]


def reference(folder, texts, lower=True):
    """Python sentencepiece and a dictionary: bert-japanese's tokenization_sentencepiece.py in four lines."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "wiki-ja.model"))
    lines = (folder / "wiki-ja.vocab").read_text(encoding="utf-8").split("\n")
    ids = {line.split("\t")[0]: number for number, line in enumerate(lines)}
    return [[ids.get(p, 0) for p in processor.encode_as_pieces(t.lower() if lower else t)] for t in texts]


def truncate_seq_pair(a, b, room):
    """Truncates as run_classifier.py of google-research/bert does."""
    a, b = list(a), list(b)
    while len(a) + len(b) > room:
        (a if len(a) > len(b) else b).pop()
    return a, b


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])


@pytest.mark.parametrize("lower", [True, False])
def test_tiny_model_agrees_with_python_sentencepiece(tiny, corpus, lower):
    tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"], do_lower_case=lower)
    texts = [*corpus.values(), *ODD_TEXTS]
    expected = reference(tiny.folder, texts, lower)
    special = {tokenizer.vocabulary[piece] for piece in ("[CLS]", "[SEP]", "[PAD]")}
    for text, ours, theirs in zip(texts, tokenizer.encode(texts), expected, strict=True):
        if "[CLS]" in text:
            assert not special & set(ours)  # a special piece in a text is ordinary text
        else:
            assert ours == theirs, text


@pytest.mark.shared
def test_real_texts_agree(shared):
    folder = shared / "checkpoints/ja-e5-small"
    texts = list(json.loads((shared / "data/slides/honbun_data.json").read_text(encoding="utf-8")).values())
    ours = Tokenizer(str(folder / "wiki-ja.model"), str(folder / "wiki-ja.vocab")).encode(texts)
    assert ours == reference(folder, texts)


KINDS = {
    "unigram": {},
    "user_defined_symbols": {"user_defined_symbols": ["[X]", "りんご"]},
    "split_by_whitespace": {"split_by_whitespace": False},
    "identity": {"normalization_rule_name": "identity"},
    "nfkc_cf": {"normalization_rule_name": "nfkc_cf"},
    "byte_fallback": {"byte_fallback": True, "vocab_size": 700},
    "no_prefix": {"add_dummy_prefix": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "bpe": {"model_type": "bpe"},
    "word": {"model_type": "word", "use_all_vocab": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_agrees_with_python_sentencepiece(kind, corpus):
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus.values()),
        model_writer=file,
        minloglevel=2,
        **{"vocab_size": 400, "hard_vocab_limit": False} | KINDS[kind],
    )
    segment = Segmentation(file.getvalue(), "x.model")
    assert segment.is_fast == (kind in ("unigram", "user_defined_symbols", "split_by_whitespace"))
    texts = [*corpus.values(), *(text.replace("\0", "") for text in ODD_TEXTS), "a\tb", " 前後 "]
    expected = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue()).encode(texts)
    assert segment(tf.constant(texts)).to_list() == expected


@pytest.mark.shared
def test_lower_casing_equals_pythons_up_to_unicode_13(shared):
    folder = shared / "checkpoints/ja-e5-small"
    tokenizer = Tokenizer(str(folder / "wiki-ja.model"), str(folder / "wiki-ja.vocab"))
    characters = [chr(c) for c in range(1, 0x10000) if not 0xD800 <= c < 0xE000]
    upper = [c for c in characters if c.lower() != c and not 0xA7C0 <= ord(c) <= 0xA7D8 and ord(c) != 0x2C2F]
    assert len(upper) > 1000
    assert tokenizer.encode(upper) == tokenizer.encode([c.lower() for c in upper])


def test_empty_input(tokenizer):
    assert tokenizer.encode([]) == []
    assert tokenizer.encode([""]) == [[]]


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

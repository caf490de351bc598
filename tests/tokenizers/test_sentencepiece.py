"""SentencePiece agrees with bert-japanese, and with XLM-R's token ids."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from keras_negaposi.input_pipeline.packing import JointPreprocessor, SeparatePreprocessor, pack_singles
from keras_negaposi.tokenizers.sentencepiece import Tokenizer, XlmRobertaTokenizer
from keras_negaposi.tokenizers.sentencepiece_op import Segmentation
from tests.helpers.tokenizers import ODD_TEXTS, train_sentencepiece, train_xlmr


def reference(folder, texts, lower=True):
    """Python sentencepiece and a dictionary: bert-japanese's tokenization_sentencepiece.py in four lines."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "wiki-ja.model"))
    lines = (folder / "wiki-ja.vocab").read_text(encoding="utf-8").split("\n")
    ids = {line.split("\t")[0]: number for number, line in enumerate(lines)}
    return [[ids.get(p, 0) for p in processor.encode_as_pieces(t.lower() if lower else t)] for t in texts]


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
    model = train_sentencepiece(corpus.values(), **{"vocab_size": 400} | KINDS[kind])
    segment = Segmentation(model, "x.model")
    assert segment.is_fast == (kind in ("unigram", "user_defined_symbols", "split_by_whitespace"))
    texts = [*corpus.values(), *(text.replace("\0", "") for text in ODD_TEXTS), "a\tb", " 前後 "]
    expected = sentencepiece.SentencePieceProcessor(model_proto=model).encode(texts)
    assert segment(tf.constant(texts)).to_list() == expected


@pytest.mark.shared
def test_lower_casing_equals_pythons_up_to_unicode_13(shared):
    folder = shared / "checkpoints/ja-e5-small"
    tokenizer = Tokenizer(str(folder / "wiki-ja.model"), str(folder / "wiki-ja.vocab"))
    characters = [chr(c) for c in range(1, 0x10000) if not 0xD800 <= c < 0xE000]
    upper = [c for c in characters if c.lower() != c and not 0xA7C0 <= ord(c) <= 0xA7D8 and ord(c) != 0x2C2F]
    assert len(upper) > 1000
    assert tokenizer.encode(upper) == tokenizer.encode([c.lower() for c in upper])


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])


def test_empty_input(tokenizer):
    assert tokenizer.encode([]) == []
    assert tokenizer.encode([""]) == [[]]


def trained(corpus, **options):
    """A small model of BERT's special pieces, as its content."""
    return train_sentencepiece(corpus.values(), vocab_size=130, control_symbols="[CLS],[SEP]", **options)


@pytest.mark.parametrize(
    ("options", "unknown", "padding"),
    [
        ({}, 0, 0),
        ({"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1}, 1, 0),
        ({"pad_id": 2, "unk_id": 3, "bos_id": 1, "eos_id": 0}, 3, 2),
        ({"unk_piece": "[UNK]", "unk_id": 4, "bos_id": 0, "eos_id": 1, "pad_id": 5, "pad_piece": "[PAD]"}, 4, 5),
    ],
)
def test_unknown_pieces_and_padding_have_the_ids_of_the_model(options, unknown, padding, corpus, tmp_path):
    (tmp_path / "x.model").write_bytes(trained(corpus, **options))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "x.model"))
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    (tmp_path / "x.vocab").write_text("".join(f"{piece}\t0\n" for piece in pieces), encoding="utf-8")
    tokenizer = Tokenizer(str(tmp_path / "x.model"), str(tmp_path / "x.vocab"))
    assert tokenizer.pad_id == padding
    assert unknown in tokenizer.encode(["𠮷"])[0]
    assert tokenizer.encode(["りんご 𠮷"]) == processor.encode(["りんご 𠮷"])
    packed = pack_singles(tokenizer, tf.constant(["りんご"]), 12)
    assert packed["input_word_ids"][0, -1] == padding and packed["input_mask"][0, -1] == 0


def test_bert_japaneses_padding_is_0_although_its_pad_has_another_id(tokenizer):
    assert (tokenizer.pad_id, tokenizer.vocabulary["[PAD]"]) == (0, 3)


def test_the_digest_is_the_one_in_older_runs(tiny, tokenizer):
    files = [open(tiny.flags[name], "rb").read() for name in ("model_file", "vocab_file")]
    assert tokenizer.digest == b"".join(hashlib.sha256(content).digest() for content in files)


@pytest.fixture(scope="module")
def xlmr(corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("xlmr") / "sentencepiece.bpe.model"
    train_xlmr(path, corpus.values())
    return path


def fairseq_ids(path, texts):
    """The ids that XLM-R was trained with, from its description: four special ids, then the pieces in their order."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]
    ids = {piece: 4 + number for number, piece in enumerate(pieces)}
    return [[ids.get(piece, 3) for piece in processor.encode_as_pieces(text)] for text in texts]


def test_xlmr_has_fairseqs_ids(xlmr, corpus):
    texts = [*corpus.values(), *(text.replace("\0", "") for text in ODD_TEXTS)]
    tokenizer = XlmRobertaTokenizer(str(xlmr))
    assert tokenizer.encode(texts) == fairseq_ids(xlmr, texts)
    assert (tokenizer.cls_id, tokenizer.pad_id, tokenizer.sep_id, tokenizer.vocabulary["<unk>"]) == (0, 1, 2, 3)
    assert sorted(tokenizer.vocabulary.values()) == list(range(tokenizer.vocab_size))
    assert tokenizer.vocabulary["<mask>"] == tokenizer.vocab_size - 1
    assert pickle.loads(pickle.dumps(tokenizer)).encode(texts) == tokenizer.encode(texts)


def test_xlmr_lower_cases_only_where_it_is_asked_to(xlmr):
    lower = XlmRobertaTokenizer(str(xlmr), do_lower_case=True)
    assert lower.encode(["PYTHON Python"]) == fairseq_ids(xlmr, ["python python"])
    assert XlmRobertaTokenizer(str(xlmr)).encode(["Python"]) == fairseq_ids(xlmr, ["Python"])


@pytest.mark.parametrize("preprocessor", [JointPreprocessor, SeparatePreprocessor])
def test_xlmr_has_one_token_type(xlmr, preprocessor):
    tokenizer = XlmRobertaTokenizer(str(xlmr))
    packed = preprocessor(tokenizer, 16)(tf.constant(["りんご"]), tf.constant(["みかん"]))
    types = [value for name, value in packed.items() if name.endswith("input_type_ids")]
    assert types and not any(np.any(value) for value in types)
    if preprocessor is JointPreprocessor:
        a, b = tokenizer.encode(["りんご", "みかん"])
        expected = [0, *a, 2, *b, 2]
        assert packed["input_word_ids"][0].numpy().tolist() == [*expected, *[1] * (16 - len(expected))]


def test_a_model_of_another_kind_is_not_xlmrs(tiny, tmp_path, corpus):
    (tmp_path / "x.model").write_bytes(trained(corpus, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1))
    with pytest.raises(InputError, match=r"x\.model: its pieces do not begin with <unk> <s> </s>"):
        XlmRobertaTokenizer(str(tmp_path / "x.model"))
    (tmp_path / "y.model").write_bytes(b"x")
    with pytest.raises(InputError, match="not a SentencePiece model"):
        XlmRobertaTokenizer(str(tmp_path / "y.model"))


def test_many_tokenizers_are_no_reason_for_a_warning(tiny, caplog):
    for _ in range(8):
        tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])
        assert tokenizer.encode(["りんごを買う。", "みかん"]) and tokenizer.encode(["庭"])
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]

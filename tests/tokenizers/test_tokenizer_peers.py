"""The same token ids as in transformers. Needs the extra ``peers``."""

import json
import unicodedata
from collections import Counter

import pytest
import tensorflow as tf

from keras_negaposi.config.tokenizer_files import MecabOptions
from keras_negaposi.tokenizers.mecab import MecabTokenizer
from keras_negaposi.tokenizers.sentencepiece import XlmRobertaTokenizer
from keras_negaposi.tokenizers.wordpiece import WordPieceTokenizer
from tests.conftest import SHARED
from tests.helpers.tokenizers import FRAGMENTS, SPECIAL, odd_texts, train_xlmr, write_words

pytestmark = pytest.mark.peers
REAL = SHARED / "data/slides/honbun_data.json"
ROMAN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZé0123456789"


@pytest.fixture(scope="module")
def texts(corpus):
    """Real texts where there are any."""
    return list((json.loads(REAL.read_text(encoding="utf-8")) if REAL.exists() else corpus).values())


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    rows = [*ROMAN, *(f"##{c}" for c in ROMAN), "σ", "##σ", "##ς", "##\u0301", "i\u0307", "##\u3099", *"。、「」[]#$^"]
    write_words(path, [text[:50] for text in texts[:2000]], rows)
    return str(path)


def of_transformers(tokenizer, texts):
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def without_special_pieces(texts):
    """Transformers turns these into special ids; here they are ordinary text."""
    return [text for text in texts if not any(piece in text for piece in SPECIAL)]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("strip", [None, True, False])
@pytest.mark.parametrize("ideographs", [True, False])
def test_bert_tokenizer(vocab_file, texts, lower, strip, ideographs):
    import transformers

    count = 20_000 if strip is None and ideographs else 2_000
    ours = WordPieceTokenizer(vocab_file, lower, strip, ideographs)
    options = {"do_lower_case": lower, "strip_accents": strip, "tokenize_chinese_chars": ideographs}
    peer = transformers.BertTokenizer(vocab=ours.vocabulary, **options)
    some = without_special_pieces([*texts[:500], *FRAGMENTS, *odd_texts(count, texts)])
    for text, a, b in zip(some, ours.encode(some), of_transformers(peer, some), strict=True):
        assert a == b, ascii(text)


@pytest.mark.parametrize(("lower", "most"), [(True, 1000), (False, 500)])
def test_every_character_alone(vocab_file, lower, most):
    """Only characters differ that the docstring of `wordpiece` names."""
    import transformers

    ours = WordPieceTokenizer(vocab_file, lower)
    backend = transformers.BertTokenizer(vocab=ours.vocabulary, do_lower_case=lower).backend_tokenizer
    some = [f"a{chr(point)}b" for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    theirs = [
        [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))]
        for text in some
    ]
    words = tf.strings.split(ours._separated(tf.constant([text.encode() for text in some]))).to_list()
    differing = [text[1] for text, a, b in zip(some, words, theirs, strict=True) if [word.decode() for word in a] != b]
    kinds = Counter(unicodedata.category(character) for character in differing)
    assert len(differing) < most and kinds["Lo"] == 256
    assert all(0x2B820 <= ord(c) <= 0x2B91F for c in differing if unicodedata.category(c) == "Lo")
    assert not [c for c in differing if 0x3000 <= ord(c) < 0xA000 or ord(c) < 0x600]


@pytest.mark.parametrize("characters", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("dictionary", ["ipadic", "unidic_lite"])
def test_bert_japanese_tokenizer(vocab_file, texts, dictionary, lower, characters):
    import transformers

    ours = MecabTokenizer(vocab_file, lower, MecabOptions(dictionary), characters)
    peer = transformers.BertJapaneseTokenizer(
        vocab_file,
        do_lower_case=lower,
        word_tokenizer_type="mecab",
        subword_tokenizer_type="character" if characters else "wordpiece",
        mecab_kwargs={"mecab_dic": dictionary},
    )
    some = without_special_pieces([*texts[:500], *FRAGMENTS, *odd_texts(5_000, texts)])
    for text, a, b in zip(some, ours.encode(some), (of_transformers(peer, [text])[0] for text in some), strict=True):
        assert a == b, ascii(text)


def test_xlm_roberta_tokenizer(tmp_path, corpus):
    """Plain texts only: transformers gets no normalization table here, and treats odd whitespace in its own way."""
    import sentencepiece
    import transformers

    path = tmp_path / "sentencepiece.bpe.model"
    train_xlmr(path, corpus.values())
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    rest = [(processor.id_to_piece(n), processor.get_score(n)) for n in range(3, processor.get_piece_size())]
    first = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    peer = transformers.XLMRobertaTokenizer(vocab=[*first, *rest, ("<mask>", 0.0)])
    ours = XlmRobertaTokenizer(str(path))
    assert peer.get_vocab() == ours.vocabulary
    assert (peer.cls_token_id, peer.pad_token_id, peer.sep_token_id) == (ours.cls_id, ours.pad_id, ours.sep_id)
    texts = [*corpus.values(), "𠮷 Python"]
    assert ours.encode(texts) == of_transformers(peer, texts)

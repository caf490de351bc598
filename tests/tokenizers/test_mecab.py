"""MeCab's words and their pieces agree with fugashi and a few lines of Python."""

import pickle
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import fugashi
import ipadic
import pytest
import tensorflow as tf
import unidic_lite

from checkpoints_tools import InputError
from keras_negaposi.config.tokenizer_files import MecabOptions
from keras_negaposi.tokenizers import mecab
from keras_negaposi.tokenizers.mecab import MecabTokenizer
from tests.helpers.tokenizers import FRAGMENTS, ODD_TEXTS, odd_texts, write_words
from tests.tokenizers.test_wordpiece import pieces_of

FOLDERS = {"ipadic": ipadic.DICDIR, "unidic_lite": unidic_lite.DICDIR}


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory, corpus):
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    write_words(path, corpus.values(), ["が", "A", "B", "C", "a", "b", "c", "x", "##x", "あ", "##あ", "①", "1", "##1"])
    return str(path)


def reference(text, vocabulary, dictionary, lower, characters):
    """BertJapaneseTokenizer of transformers."""
    tagger = fugashi.GenericTagger(f'-d "{FOLDERS[dictionary]}" -r "{FOLDERS[dictionary]}/mecabrc"')
    words = [word.surface for word in tagger(unicodedata.normalize("NFKC", text))]
    words = [word.lower() if lower else word for word in words]
    if characters:
        known = [c for word in words for c in unicodedata.normalize("NFKC", word)]
        return [vocabulary.get(c, vocabulary["[UNK]"]) for c in known]
    return [piece for word in words for part in word.split() for piece in pieces_of(part, vocabulary)]


@pytest.mark.parametrize("characters", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("dictionary", FOLDERS)
def test_agrees_with_fugashi(vocab_file, corpus, dictionary, lower, characters):
    tokenizer = MecabTokenizer(vocab_file, lower, MecabOptions(dictionary), characters)
    texts = [*list(corpus.values())[:20], *ODD_TEXTS, *FRAGMENTS, *odd_texts(100, corpus.values())]
    for text, ids in zip(texts, tokenizer.encode(texts), strict=True):
        assert ids == reference(text, tokenizer.vocabulary, dictionary, lower, characters), ascii(text)


def test_in_graphs_threads_and_other_processes(vocab_file, corpus):
    tokenizer, texts = MecabTokenizer(vocab_file), [*corpus.values(), "", "𠮷"]
    ids = tokenizer.encode(texts)
    assert any(ids) and not tokenizer.in_graph
    assert tf.function(tokenizer.tokenize)(tf.constant(texts)).to_list() == ids
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(20).map(tokenizer.tokenize, num_parallel_calls=4)
    assert [row for batch in batches for row in batch.to_list()] == ids
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []
    with ThreadPoolExecutor(4) as pool:
        assert all(found == ids for found in pool.map(tokenizer.encode, [texts] * 8))
    assert pickle.loads(pickle.dumps(tokenizer)).encode(texts) == ids


def test_options_of_mecab(vocab_file):
    normal, as_it_is = (MecabTokenizer(vocab_file, options=MecabOptions(normalize_text=on)) for on in (True, False))
    assert normal.encode(["①"]) == [[normal.vocabulary["1"]]]
    assert as_it_is.encode(["①"]) == [[normal.vocabulary["①"]]]
    others = MecabTokenizer(vocab_file, options=MecabOptions("ipadic")), MecabTokenizer(vocab_file, characters=True)
    assert len({tokenizer.digest for tokenizer in (normal, as_it_is, *others)}) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (MecabOptions("unidic"), 'tokenizer_config.json: mecab_dic "unidic" is not one of ipadic, unidic_lite'),
        (MecabOptions(mecab_option="-d /nothing"), "MeCab does not start with these; correct tokenizer_config.json"),
    ],
)
def test_options_that_mecab_does_not_accept(vocab_file, options, message):
    with pytest.raises(InputError, match=message):
        MecabTokenizer(vocab_file, options=options)


@pytest.mark.parametrize("package", ["fugashi", "ipadic"])
def test_a_missing_package_is_one_line(vocab_file, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    mecab._tagger.cache_clear()
    with pytest.raises(InputError, match=rf"\({package}\); pip install 'keras_negaposi\[mecab\]'"):
        MecabTokenizer(vocab_file, options=MecabOptions("ipadic"))


def test_half_a_surrogate_pair_is_rejected(vocab_file):
    with pytest.raises(InputError, match="half a surrogate pair"):
        MecabTokenizer(vocab_file).encode(["a\ud800"])

"""WordPiece as graph ops agrees with google-research/bert, written down again in a few lines of Python."""

import itertools
import pickle
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from keras_negaposi.tokenizers.word_vocabulary import read_word_vocabulary
from keras_negaposi.tokenizers.wordpiece import WordPieceTokenizer
from tests.helpers.properties import bounded, mutations, succeeds_or_explains
from tests.helpers.tokenizers import FRAGMENTS, ODD_TEXTS, SPECIAL, odd_texts, write_words

IDEOGRAPHS = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0xF900, 0xFAFF)]


def is_ideograph(character):
    return any(first <= ord(character) <= last for first, last in [*IDEOGRAPHS, (0x2F800, 0x2FA1F)])


def basic_words(text, lower, strip, ideographs):
    """BasicTokenizer of google-research/bert; characters for private use are removed, as in transformers."""
    text = "".join(
        c for c in text if c in "\t\n\r" or (c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cf", "Co"))
    )
    text = "".join(f" {c} " if ideographs and is_ideograph(c) else c for c in text)
    if strip:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    if lower:
        text = "".join(c.lower() for c in text)
    punctuation = [c for c in set(text) if unicodedata.category(c)[0] == "P" or c in "$+<=>^`|~"]
    for character in punctuation:
        text = text.replace(character, f" {character} ")
    return text.split()


def pieces_of(word, vocabulary):
    """WordpieceTokenizer of google-research/bert, with transformers' limit of 100 characters."""
    found, rest = [], word
    while rest and len(word) <= 100:
        prefix = "##" if found else ""
        longest = next((n for n in range(len(rest), 0, -1) if prefix + rest[:n] in vocabulary), None)
        if longest is None:
            return [vocabulary["[UNK]"]]
        found.append(vocabulary[prefix + rest[:longest]])
        rest = rest[longest:]
    return found or [vocabulary["[UNK]"]]


def reference(text, tokenizer, lower, strip, ideographs):
    words = basic_words(text, lower, lower if strip is None else strip, ideographs)
    return [piece for word in words for piece in pieces_of(word, tokenizer.vocabulary)]


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory, corpus):
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    more = [
        "σ",
        "ς",
        "##σ",
        "##ς",
        "é",
        "e",
        "##\u0301",
        "が",
        "##\u3099",
        "か",
        "i\u0307",
        "##\u0307",
        "i",
        "x",
        "##x",
    ]
    more += ["y", "##y", "あ", "##あ", "#", "##a", "##", "a", "각", "ᄀ", "##ᅡ", "##ᆨ", "豈", "[", "cls", "]", "❤"]
    write_words(path, corpus.values(), more)
    return str(path)


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return WordPieceTokenizer(vocab_file)


OPTIONS = list(itertools.product((True, False), (None, True, False), (True, False)))


@pytest.mark.parametrize(("lower", "strip", "ideographs"), OPTIONS)
def test_agrees_with_the_original(vocab_file, corpus, lower, strip, ideographs):
    tokenizer = WordPieceTokenizer(vocab_file, lower, strip, ideographs)
    texts = [*corpus.values(), *ODD_TEXTS, *FRAGMENTS, *odd_texts(1000, corpus.values())]
    for text, ids in zip(texts, tokenizer.encode(texts), strict=True):
        assert ids == reference(text, tokenizer, lower, strip, ideographs), ascii(text)


def test_every_option_changes_something(vocab_file):
    def of(text, *options):
        tokenizer = WordPieceTokenizer(vocab_file, *options)
        names = {number: piece for piece, number in tokenizer.vocabulary.items()}
        return [names[number] for number in tokenizer.encode([text])[0]], tokenizer.digest

    assert of("É", True)[0] == ["e"] and of("É", True, False)[0] == ["é"] and of("É", False)[0] == ["[UNK]"]
    assert of("か\u3099", True)[0] == ["か"] and of("か\u3099", False)[0] == ["か", "##\u3099"]
    assert of("会議", True)[0] == ["会", "議"] and of("会議", True, None, False)[0] == ["会議"]
    assert len({of("", *options)[1] for options in ((True,), (True, False), (True, None, False))}) == 3


def test_words_of_more_than_100_characters_are_unknown(tokenizer):
    lengths = [len(ids) for ids in tokenizer.encode(["x" * 100, "x" * 101, "あ" * 100, "あ" * 101])]
    assert lengths == [100, 1, 100, 1]


characters = st.characters(max_codepoint=0x5FF, exclude_categories=["Cs"]) | st.sampled_from("".join(FRAGMENTS))


@bounded
@given(texts=st.lists(st.text(characters), min_size=1))
def test_property_of_texts(tokenizer, texts):
    assert tokenizer.encode(texts) == [reference(text, tokenizer, True, None, True) for text in texts]


def test_special_pieces_in_a_text_are_ordinary_text(vocab_file):
    tokenizer = WordPieceTokenizer(vocab_file)
    assert not {tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id} & set(
        tokenizer.encode(["[CLS] a [SEP] [PAD]"])[0]
    )
    assert len(tokenizer.encode(["[CLS]"])[0]) == 3


def test_ids_come_from_the_vocabulary(tmp_path):
    """Of equal rows the last one counts, rows may be empty or end as on Windows, and [PAD] may be missing."""
    rows = ["a", "", "[SEP]", "b", "a", "[UNK]", "[CLS]", "##b", "", "##"]
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(rows).encode())
    tokenizer = WordPieceTokenizer(str(tmp_path / "vocab.txt"))
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.vocab_size) == (6, 2, 0, 10)
    assert tokenizer.encode(["a", "ab", "b c", ""]) == [[4], [4, 7], [3, 5], []]
    assert tokenizer.encode([]) == []
    (tmp_path / "vocab.txt").write_text("\n".join([*rows, "[PAD]"]) + "\n")
    assert read_word_vocabulary(str(tmp_path / "vocab.txt")).pad == 10


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_a_missing_special_piece_is_named(tmp_path, missing):
    (tmp_path / "vocab.txt").write_text("\n".join(piece for piece in SPECIAL if piece != missing))
    with pytest.raises(InputError, match=rf"vocab\.txt: \{missing[:-1]}\] is missing"):
        WordPieceTokenizer(str(tmp_path / "vocab.txt"))


def test_half_a_surrogate_pair_is_rejected(tokenizer):
    with pytest.raises(InputError, match="half a surrogate pair"):
        tokenizer.encode(["a\ud800"])


def test_other_processes_get_the_same(tokenizer, corpus):
    ids = tokenizer.encode(list(corpus.values()))
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode(list(corpus.values())) == ids and again.digest == tokenizer.digest


def test_in_a_data_set(tokenizer, corpus):
    texts = list(corpus.values())
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(50).map(tokenizer.tokenize)
    assert [ids for batch in batches for ids in batch.to_list()] == tokenizer.encode(texts)


@bounded
@given(data=st.data())
def test_property_of_vocabularies(vocab_file, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.txt"
    with open(vocab_file, "rb") as file:
        path.write_bytes(data.draw(mutations(file.read(), [b"\n", b"##", b"##\n", b"\n\n", b"[UNK]\n"])))
    succeeds_or_explains(lambda: WordPieceTokenizer(str(path)).tokenize(tf.constant(["りんごを買う。", "a"])))

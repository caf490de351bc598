"""Small tokenizers of every kind, written next to a checkpoint as the public BERTs have them."""

import io
import json
import random
import shutil

import sentencepiece

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


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


FRAGMENTS = (
    *("\u200b", "\u00ad", "\ufeff", "\ue000", "\ufffd", "\t", "\n", "\r", "\x0b", "\x85", "\u2028", "\u3000", "\xa0"),
    *("é", "e\u0301", "が", "か\u3099", "İ", "ΑΣ", "ΣΑΣ ", "ǅ", "ﬁ", "ẞ", "ß", "𠮷", "葛\U000e0100", "豈", "각"),
    *("한국어", "ＡＢＣ", "ｱｲｳﾞ", "①", "㍿", "👨\u200d👩\u200d👧", "🇯🇵", "❤\ufe0f", "$^`~", "...", "‥…", "「」", "—"),
    *("a\0B", "x" * 99, "y" * 100, "z" * 101, "あ" * 100, "あ" * 101, "é" * 60, "[CLS", "SEP]", "##", "##a", "#"),
    *("\x7f", "\x01", "\U000e0021", "\u0300", "ไทย", "हिन्दी", "العَرَبِيَّة", "Ω", "Å", " ", "  ", "、", "。", " a", "B"),
)
"""What tokenizers treat differently: invisible characters, accents, ideographs, long words, special pieces."""


def odd_texts(count, texts, seed=0):
    """Random texts: fragments of real ones, `FRAGMENTS`, and any characters that Unicode 8 has."""
    rng, texts = random.Random(seed), list(texts)

    def fragment():
        kind = rng.random()
        if kind < 0.3:
            text = rng.choice(texts)
            start = rng.randrange(len(text) + 1)
            return text[start : start + rng.randint(1, 12)]
        return rng.choice(FRAGMENTS) if kind < 0.75 else chr(rng.randrange(*rng.choice(BLOCKS)))

    return ["".join(fragment() for _ in range(rng.randint(1, 10))) for _ in range(count)]


BLOCKS = ((1, 0x600), (0x2000, 0x2C00), (0x2C00, 0x2C2F), (0x3000, 0xA000), (0xAC00, 0xD800), (0xF900, 0x10000))
"""First and last code points of characters that did not change since; more of those that are frequent."""


def train_sentencepiece(texts, **options):
    """A small SentencePiece model, as the content of its file."""
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=file, hard_vocab_limit=False, minloglevel=2, **options
    )
    return file.getvalue()


def write_words(path, texts, rows=()):
    """A ``vocab.txt``: every character that occurs twice, alone and as a continuation, and a few words."""
    text = "".join(texts)
    characters = sorted({c for c in text if text.count(c) > 1 and not c.isspace()})
    words = ["りんご", "##んご", "電車", "会議", "Py", "##thon", "python", "を", "##う", "。", "ecole", "École"]
    rows = list(dict.fromkeys([*SPECIAL, *characters, *(f"##{c}" for c in characters), *words, *rows]))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return len(rows)


def write_config(folder, **values):
    (folder / "tokenizer_config.json").write_text(json.dumps(values))


def train_xlmr(path, texts):
    """A SentencePiece model whose pieces begin as those of XLM-R."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(path.with_suffix("")),
        vocab_size=110,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.with_suffix(".vocab").unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()


def _sentencepiece(folder, corpus, tiny):
    for name in ("wiki-ja.model", "wiki-ja.vocab"):
        shutil.copy(tiny.folder / name, folder / name)
    return tiny.config["vocab_size"]


def _xlmr(folder, corpus, tiny):
    write_config(folder, tokenizer_class="XLMRobertaTokenizer", model_max_length=512)
    return train_xlmr(folder / "sentencepiece.bpe.model", corpus.values()) + 2


def _wordpiece(folder, corpus, tiny):
    write_config(folder, do_lower_case=True, strip_accents=False, model_max_length=512)
    return write_words(folder / "vocab.txt", corpus.values())


def _mecab(subword, dictionary):
    def write(folder, corpus, tiny):
        kinds = {"word_tokenizer_type": "mecab", "subword_tokenizer_type": subword}
        write_config(folder, tokenizer_class="BertJapaneseTokenizer", **kinds, mecab_kwargs={"mecab_dic": dictionary})
        return write_words(folder / "vocab.txt", corpus.values())

    return write


CHECKPOINTS = {
    "sentencepiece": _sentencepiece,
    "xlmr": _xlmr,
    "wordpiece": _wordpiece,
    "mecab_wordpiece": _mecab("wordpiece", "ipadic"),
    "mecab_character": _mecab("character", "unidic_lite"),
}
"""Kind -> a function that writes the tokenizer's files into a folder and returns the number of token ids."""

"""Small tokenizers of every kind, written next to a checkpoint as the public BERTs have them."""

import json
import shutil

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


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

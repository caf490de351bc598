"""A ``.vocab`` must match its ``.model`` row by row; every vocabulary that SentencePiece writes can be read."""

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from checkpoints_tools.formats.tokenizer_files import read_vocabulary
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from tests.helpers.properties import bounded, mutations, succeeds_or_explains
from tests.helpers.tokenizers import train_sentencepiece

KINDS = {
    "identity": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["\u3000", "\xa0", "\u2028", "\x85", "\x0b"],
    },
    "line_breaks": {"user_defined_symbols": ["\n", "\t", "\r", "\t0", "\n\n"]},
    "padding_first": {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1},
    "unknown_last": {"pad_id": 2, "unk_id": 3, "bos_id": 1, "eos_id": 0},
    "bpe": {"model_type": "bpe"},
}
TEXTS = ["りんごを買う。", "a\u3000b\xa0c\u2028d\x85e\x0bf", "一\n二\n\n三\t四\r五\t0", "𠮷[CLS]<pad><unk>", ""]


def train(folder, corpus, **options):
    """Trains a model; returns the two files that SentencePiece writes."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in corpus.values()]),
        model_prefix=str(folder / "x"),
        vocab_size=130,
        hard_vocab_limit=False,
        control_symbols="[PAD],[CLS],[SEP],[MASK]",
        minloglevel=2,
        **options,
    )
    return str(folder / "x.model"), str(folder / "x.vocab")


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_sentencepiece_can_be_read(kind, tmp_path, corpus):
    model_file, vocab_file = train(tmp_path, corpus, **KINDS[kind])
    processor = sentencepiece.SentencePieceProcessor(model_file=model_file)
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    assert read_vocabulary(vocab_file) == pieces
    tokenizer = Tokenizer(model_file, vocab_file)
    assert tokenizer.cls_id == processor.piece_to_id("[CLS]")
    assert tokenizer.vocab_size == len(pieces)
    assert tokenizer.encode(TEXTS) == processor.encode([text.lower() for text in TEXTS])


@pytest.fixture(scope="module")
def lines(tiny):
    return (tiny.folder / "wiki-ja.vocab").read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:1] + rows[:0:-1], 'row 2 is ".*but piece 2 of .*wiki-ja.model is "<s>"'),
        (lambda rows: [*rows[:50], rows[51], rows[50], *rows[52:]], "row 51 is "),
        (lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], r'row 5 is "\[SEP\]", but piece 5 .* is "\[CLS\]"'),
        (lambda rows: rows[:-20], r"rows, but .*wiki-ja.model has \d+ pieces"),
        (lambda rows: [*rows, "x\t-9"], r"rows, but .*wiki-ja.model has \d+ pieces"),
        (lambda rows: [*rows[:30], *rows[31:]], "row 31 is "),
        (lambda rows: [*rows[:30], rows[29], *rows[31:]], "row 31 is "),
        (lambda rows: [*rows[:30], "x" * 10**6 + "\t-1", *rows[31:]], "row 31 is "),
        (lambda rows: [row.split("\t")[0] for row in rows], "is not piece<TAB>score"),
        (lambda rows: ["\t" * 10**6 + "1" * 10**6], "row 1 is "),
        (lambda rows: [], "row 1 is not piece<TAB>score"),
    ],
)
def test_the_vocab_of_another_model_is_rejected(tiny, lines, tmp_path, change, message):
    path = tmp_path / "x.vocab"
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        raise succeeds_or_explains(lambda: Tokenizer(tiny.flags["model_file"], str(path)))


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_line_ends_do_not_matter(tiny, lines, tmp_path, line_break, end):
    path = tmp_path / "x.vocab"
    path.write_bytes((line_break.join(lines) + end).encode())
    assert Tokenizer(tiny.flags["model_file"], str(path)).vocab_size == len(lines)


def test_a_bert_has_a_row_for_each_piece(tiny, tmp_path):
    """Additional rows are padding, which some trainings add; fewer rows belong to another vocabulary."""
    import dataclasses

    from keras_negaposi.config import BaselineConfig, complete_model_files
    from keras_negaposi.modeling.pretrained import read_pretrained
    from tests.helpers.checkpoints import CONFIG, all_variables, save_tf1

    for size in (150, 20):
        config = dataclasses.replace(CONFIG, vocab_size=size)
        path = save_tf1(tmp_path / str(size), all_variables(config), config)
        files = {"init_checkpoint": path, "bert_config_file": f"{path}/bert_config.json"}
        files |= {name: tiny.flags[name] for name in ("model_file", "vocab_file")}
        options = BaselineConfig(**complete_model_files(files), max_seq_length=20)
        if size == 150:
            assert read_pretrained(options).bert_config.vocab_size == 150
            continue
        with pytest.raises(InputError, match="pieces, but the BERT has 20"):
            read_pretrained(options)


def test_inspect_counts_rows_and_not_lines(tmp_path, corpus):
    from checkpoints_tools.inspection import inspect
    from tests.helpers.checkpoints import all_variables, save_tf1

    _, vocab_file = train(tmp_path, corpus, **KINDS["line_breaks"])
    (problem,) = inspect(save_tf1(tmp_path / "a", all_variables()), vocab_file=vocab_file).problems
    assert f"{len(read_vocabulary(vocab_file))} pieces, but 120 word embeddings" in problem


@bounded
@given(data=st.data())
def test_property_of_vocabularies(tiny, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.vocab"
    good = (tiny.folder / "wiki-ja.vocab").read_bytes()
    path.write_bytes(data.draw(mutations(good, [b"\t", b"\t0\n", b"\n\t0\n", "りんご\t-1\n".encode()])))
    succeeds_or_explains(lambda: Tokenizer(tiny.flags["model_file"], str(path)))


@pytest.fixture(scope="module")
def small_model(corpus):
    """A model without a normalization table, in which most mutations would fall."""
    options = {"control_symbols": "[CLS],[SEP]", "normalization_rule_name": "identity"}
    return train_sentencepiece(corpus.values(), vocab_size=100, **options)


@bounded
@given(data=st.data())
def test_property_of_models(small_model, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    model, vocab = folder / "mutated.model", folder / "made.vocab"
    model.write_bytes(data.draw(mutations(small_model)))
    processor = sentencepiece.SentencePieceProcessor(model_proto=small_model)
    rows = (f"{processor.id_to_piece(number)}\t0\n" for number in range(processor.get_piece_size()))
    vocab.write_text("".join(rows), encoding="utf-8")
    succeeds_or_explains(lambda: Tokenizer(str(model), str(vocab)).encode(["りんご"]))

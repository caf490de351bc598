"""The kind of a tokenizer and its options are found from the files next to the checkpoint."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from checkpoints_tools import InputError
from keras_negaposi.config import ModelFiles, PrepareConfig, complete_model_files
from keras_negaposi.config.saved import checked_config
from keras_negaposi.config.tokenizer_files import KINDS, TOKENIZER_CONFIG, read_options
from keras_negaposi.input_pipeline.prepared_data import fingerprint
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import digest_of
from keras_negaposi.tokenizers.opening import describe, open_tokenizer, with_copies, write_copies
from tests.helpers.commands import COMMANDS, refusal
from tests.helpers.tokenizers import CHECKPOINTS, SPECIAL

MECAB = {"word_tokenizer_type": "mecab"}
JAPANESE = {"tokenizer_class": "BertJapaneseTokenizer"}
FOLDERS = [
    (["wiki-ja.model", "wiki-ja.vocab"], None, "sentencepiece", True),
    (["tokenizer.model", "tokenizer.vocab"], {"do_lower_case": False}, "sentencepiece", False),
    (["wiki-ja.model", "wiki-ja.vocab", "vocab.txt", "tokenizer.json"], None, "sentencepiece", True),
    (["sentencepiece.bpe.model", "tokenizer.json"], None, "xlmr", False),
    (["spiece.model"], {"tokenizer_class": "XLMRobertaTokenizerFast"}, "xlmr", False),
    (["vocab.txt"], None, "wordpiece", True),
    (["vocab.txt", "tokenizer.json"], {"tokenizer_class": "BertTokenizer", "do_lower_case": False}, "wordpiece", False),
    (["vocab.txt"], {"do_lower_case": None, "model_max_length": 512}, "wordpiece", True),
    (["vocab.txt"], JAPANESE, "mecab_wordpiece", False),
    (["vocab.txt"], MECAB, "mecab_wordpiece", False),
    (["vocab.txt"], JAPANESE | MECAB | {"do_lower_case": True}, "mecab_wordpiece", True),
    (["vocab.txt"], {"subword_tokenizer_type": "character"}, "mecab_character", False),
    (["vocab.txt"], JAPANESE | MECAB | {"subword_tokenizer_type": "character"}, "mecab_character", False),
]


def write(folder, names, values=None):
    for name in names:
        (folder / name).write_text("")
    if values is not None:
        (folder / TOKENIZER_CONFIG).write_text(json.dumps(values))
    return {"init_checkpoint": str(folder)}


@pytest.mark.parametrize(("names", "values", "kind", "lower"), FOLDERS)
def test_the_kind_is_found(tmp_path, names, values, kind, lower):
    completed = complete_model_files(write(tmp_path, names, values))
    assert (completed["tokenizer"], completed["do_lower_case"]) == (kind, lower)
    for name in ("model_file", "vocab_file"):
        assert (completed[name] is not None) == (name in KINDS[kind].files)
    assert (completed["tokenizer_config_file"] is not None) == (values is not None)


def test_the_class_may_stand_in_the_berts_config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **JAPANESE}))
    assert complete_model_files(write(tmp_path, ["vocab.txt"]))["tokenizer"] == "mecab_wordpiece"


@pytest.mark.parametrize("dictionary", [None, "ipadic"])
def test_a_dictionary_that_nothing_names_is_reported_as_the_default(tmp_path, dictionary):
    kwargs = {"mecab_kwargs": {"mecab_dic": dictionary}} if dictionary else {}
    config = ModelFiles(**complete_model_files(write(tmp_path, ["vocab.txt"], JAPANESE | MECAB | kwargs)))
    words = "MeCab with ipadic)" if dictionary else f"MeCab with unidic_lite, the default: {TOKENIZER_CONFIG} has no"
    assert words in describe(config)


def test_flags_override_the_files(tmp_path):
    given = write(tmp_path, ["vocab.txt", "a.model", "a.vocab"], JAPANESE)
    assert complete_model_files(given | {"tokenizer": "wordpiece"})["tokenizer"] == "wordpiece"
    assert complete_model_files(given | {"do_lower_case": False})["do_lower_case"] is False
    assert complete_model_files(given | {"vocab_file": "x/vocab.txt"})["tokenizer"] == "mecab_wordpiece"
    assert complete_model_files({"vocab_file": "x/vocab.txt"})["tokenizer"] == "wordpiece"
    assert complete_model_files({"model_file": "x/sentencepiece.bpe.model"})["tokenizer"] == "xlmr"
    assert complete_model_files({"model_file": "a.model", "vocab_file": "a.vocab"})["tokenizer"] == "sentencepiece"
    assert complete_model_files({"init_checkpoint": "gs://a/b"})["tokenizer"] == "sentencepiece"


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (["tokenizer.json"], None, r"tokenizer\.json: the only tokenizer file, and it cannot be read; put the vocab"),
        (["a.model", "b.model", "c.vocab"], None, r"2 files match \*\.model; choose one with --model_file"),
        (["vocab.txt"], {"word_tokenizer_type": "sudachi"}, 'word_tokenizer_type "sudachi" with .* is not supported'),
        (["vocab.txt"], {"word_tokenizer_type": "basic"}, 'tokenizer_config.json: word_tokenizer_type "basic"'),
        (["vocab.txt"], JAPANESE | {"subword_tokenizer_type": "sentencepiece"}, "is not supported; give a BERT"),
        (["vocab.txt"], {"do_lower_case": "yes"}, r"tokenizer_config\.json: do_lower_case: expected bool"),
        (["vocab.txt"], {"mecab_kwargs": ["ipadic"]}, r"tokenizer_config\.json: mecab_kwargs: expected object"),
        (["vocab.txt"], ["x"], r"tokenizer_config\.json: expected object"),
    ],
)
def test_what_is_not_supported_is_one_line(tmp_path, names, values, message):
    with pytest.raises(InputError, match=message):
        complete_model_files(write(tmp_path, names, values))


OTHERS = "has an effect with these tokenizers only: "


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--tokenizer wordpiece --vocab_file v.txt --model_file m",
            f"--model_file: {OTHERS}sentencepiece, xlmr;",
        ),
        ("--tokenizer xlmr --vocab_file v --model_file m", f"--vocab_file: {OTHERS}sentencepiece, wordpiece"),
        ("--tokenizer wordpiece", "--vocab_file is missing (there is no such file next to --init_checkpoint)"),
        ("--tokenizer xlmr", "--model_file is missing"),
        ("--tokenizer other", 'argument --tokenizer: invalid choice: "other"'),
        ("--tokenizer_config_file /nothing --vocab_file v.txt", "/nothing: "),
    ],
)
@pytest.mark.parametrize("command", ["train", "prepare", "baseline"])
def test_wrong_combinations_are_one_line(command, flags, message, capsys, tmp_path):
    needed = f"--honbun h --negaposi n --output_dir o --init_checkpoint {tmp_path}"
    assert message in refusal(COMMANDS[command][0], f"{needed} {flags}".split(), capsys)


def completed(folder, **given):
    values = complete_model_files({"init_checkpoint": str(folder), **given})
    names = {field.name for field in dataclasses.fields(ModelFiles)}
    return ModelFiles(**{name: value for name, value in values.items() if name in names})


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("lower", [None, True, False])
def test_the_copies_in_a_runs_folder_are_the_same_tokenizer(kind, lower, tiny, corpus, tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "run").mkdir()
    CHECKPOINTS[kind](tmp_path / "bert", corpus, tiny)
    config, folder = completed(tmp_path / "bert", do_lower_case=lower), RunFolder(str(tmp_path / "run"))
    write_copies(config, folder)
    texts = [*list(corpus.values())[:5], "ÉCOLE Python"]
    expected = open_tokenizer(config)
    assert kind in describe(config) and str(tmp_path / "bert") in describe(config)
    for copy in (with_copies(config, folder), completed(tmp_path / "run")):
        assert copy.tokenizer == kind
        again = open_tokenizer(copy)
        assert (again.digest, again.do_lower_case) == (expected.digest, expected.do_lower_case)
        assert again.encode(texts) == expected.encode(texts)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names - {TOKENIZER_CONFIG} == set(KINDS[kind].files.values())
    assert (TOKENIZER_CONFIG in names) == (kind != "sentencepiece" or lower is False)


def test_a_kind_that_was_given_is_kept_in_the_copies(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIAL))
    (tmp_path / "run").mkdir()
    config = completed(tmp_path, tokenizer="mecab_character")
    write_copies(config, RunFolder(str(tmp_path / "run")))
    assert completed(tmp_path / "run").tokenizer == "mecab_character"
    assert read_options(str(tmp_path / "run" / TOKENIZER_CONFIG)).mecab.mecab_dic == "unidic_lite"


def test_older_runs_have_sentencepiece(tiny):
    saved = {**tiny.flags, "output_dir": "o", "max_seq_length": 24}
    config = checked_config(saved, "config.json")
    assert (config.tokenizer, config.do_lower_case, config.tokenizer_config_file) == ("sentencepiece", True, None)
    assert checked_config(saved | {"do_lower_case": False}, "config.json").do_lower_case is False


def test_older_fingerprints_of_sentencepiece_are_the_same(tiny):
    """Computed as before there were other tokenizers."""
    config = PrepareConfig(**tiny.flags, max_seq_length=24, dev_share=0.1)
    options = [True, 24, "end", "random", config.test_share, 0.1, config.group_pattern, config.layout, 0, "0"]
    files = (tiny.flags[name] for name in ("honbun", "negaposi", "model_file", "vocab_file"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(Path(file).read_bytes()).digest() for file in files))
    options[-1] = config.next_page_pairs
    digest.update(json.dumps([3, *options, *([2] if config.next_page_pairs else [])]).encode())
    assert fingerprint(config, config.layout) == digest.hexdigest()
    resolved = PrepareConfig(**tiny.flags | {"tokenizer": "sentencepiece", "do_lower_case": True}, max_seq_length=24)
    assert fingerprint(dataclasses.replace(resolved, dev_share=0.1), config.layout) == digest.hexdigest()


def test_the_fingerprint_covers_the_tokenizers_options(tiny, tmp_path):
    flags = {name: tiny.flags[name] for name in ("honbun", "negaposi")} | {"vocab_file": str(tmp_path / "vocab.txt")}
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIAL))
    found = set()
    for kind in ("wordpiece", "mecab_wordpiece"):
        for values in ({}, {"strip_accents": False}, {"mecab_kwargs": {"mecab_dic": "ipadic"}}):
            path = tmp_path / "options.json"
            path.write_text(json.dumps(values))
            config = PrepareConfig(**flags, tokenizer=kind, tokenizer_config_file=str(path), dev_share=0.1)
            found.add(fingerprint(config, config.layout))
    assert len(found) == 6


def test_the_digest_of_a_tokenizer_config_ignores_the_rest(tmp_path):
    path = tmp_path / TOKENIZER_CONFIG

    def of(**values):
        path.write_text(json.dumps(values))
        return digest_of("tokenizer_config_file", str(path))

    assert of() == of(model_max_length=512, name_or_path="x") == of(strip_accents=None, tokenize_chinese_chars=True)
    assert len({of(), of(strip_accents=True), of(tokenize_chinese_chars=False), of(mecab_kwargs=None)}) == 3

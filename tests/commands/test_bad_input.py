"""Whatever a user gets wrong: one clear line that names the place, exit code 2, nothing written."""

import json
import shutil
import subprocess
import sys

import pytest

from keras_negaposi import baseline, prepare, train
from tests.helpers.commands import check_refused
from tests.helpers.folders import snapshot

# name: (function that makes valid files and flags invalid, words that the error line must contain)
CASES = {}


def case(*words):
    """Registers a function that makes a `Setup` invalid."""

    def register(function):
        CASES[function.__name__] = (function, words)
        return function

    return register


class Setup:
    """Copies of valid files, which a case makes invalid, and the flags that name them."""

    def __init__(self, tiny, folder):
        self.folder = folder
        for path in tiny.folder.iterdir():
            shutil.copy(path, folder / path.name)
        self.flags = {name: str(folder / path.rpartition("/")[2]) for name, path in tiny.flags.items()}
        self.flags["max_seq_length"] = "20"

    def arguments(self):
        return [*(f"--{name}={value}" for name, value in self.flags.items()), f"--output_dir={self.folder}/out"]

    def write(self, name, content):
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (self.folder / name).write_bytes(data)

    def dump(self, name, value):
        self.write(name, json.dumps(value))

    def config(self, **changes):
        path = self.folder / "bert_config.json"
        values = {k: v for k, v in (json.loads(path.read_text()) | changes).items() if v is not None}
        path.write_text(json.dumps(values))


def pairs_case(name, value, *words):
    CASES[name] = (lambda s: s.dump("negaposi.json", value), ("negaposi.json", *words))


def file_case(name, file, content, *words):
    CASES[name] = (lambda s: s.write(file, content), (file, *words))


def flag_case(name, flag, value, *words):
    CASES[name] = (lambda s: s.flags.__setitem__(flag, value), (f"--{flag}", *words))


A, B, C = "doc00,000", "doc00,001", "doc01,001"
GOOD = [[A, B, 1], [A, C, 0]]

file_case("pairs not json", "negaposi.json", '["a", "b"],\n ["a" "b"]]', "not JSON at line 1", "Extra data")
file_case("pairs not json later", "negaposi.json", f'[["{A}", "{B}", 1],\n ["a" "b"]]', "not JSON at line 2, column 7")
file_case("pairs empty file", "negaposi.json", "", "empty")
file_case("pairs only white space", "negaposi.json", " \n ", "empty")
file_case("pairs not utf-8", "negaposi.json", '[["題", "b", 1]]'.encode("cp932"), "not UTF-8 at byte 3")
file_case("pairs cut short", "negaposi.json", json.dumps(GOOD)[:-5], "not JSON")
file_case("pairs nested without end", "negaposi.json", "[" * 100_000, "nested too deeply")
pairs_case("pairs a string", "text", "must be a list of pairs, not a string")
pairs_case("pairs a number", 3, "not a number")
pairs_case("pairs null", None, "not a null")
pairs_case("pairs an empty list", [], "no pairs")
pairs_case("pairs an empty object", {}, "no pairs")
pairs_case("pairs an unknown key", {"positive": [[A, B]]}, '"positive"', '"posi"')
file_case("posi twice", "negaposi.json", '{"posi": [], "nega": [], "posi": []}', '"posi" appears twice')
file_case("pairs a key twice", "negaposi.json", '[{"a": "x", "b": "y", "b": "z", "label": 1}]', '"b" appears twice')
file_case("pairs and more", "negaposi.json", json.dumps(GOOD) + "]", "not JSON at line 1", "Extra data")
pairs_case("posi no list", {"posi": A, "nega": []}, '"posi" must be a list')
pairs_case("posi with labels", {"posi": [[A, B, 1]], "nega": [[A, C]]}, 'pair 1 of "posi"')
pairs_case("a pair of two", [*GOOD, [A, B]], "pair 3", "[a, b, label]")
pairs_case("a pair of four", [*GOOD, [A, B, 1, 1]], "pair 3")
pairs_case("a pair a string", [*GOOD, "a,b,1"], "pair 3")
pairs_case("a pair without label", [*GOOD, {"a": A, "b": B}], "pair 3")
pairs_case("a title a number", [*GOOD, [A, 5, 1]], "pair 3", "must be a string")
pairs_case("a title without text", [*GOOD, [A, "doc99,000", 1]], "pair 3", '"doc99,000"', "honbun_data.json")
pairs_case("label 2", [*GOOD, [B, C, 2]], "pair 3", "label 2")
pairs_case("label a word", [*GOOD, [B, C, "positive"]], "pair 3", '"positive"')
pairs_case("label null", [*GOOD, [B, C, None]], "pair 3", "None")
pairs_case("label a half", [*GOOD, [B, C, 0.5]], "pair 3", "0.5")
pairs_case("label a list", [*GOOD, [B, C, [1]]], "pair 3")
pairs_case("both labels", [*GOOD, [A, B, 0]], "pair 3", "both labels")
pairs_case("one class only", [[A, B, 1], [B, C, 1]], "every label is 1")
CASES["too few pairs"] = (lambda s: s.dump("negaposi.json", GOOD), ("--split random", "too few"))
file_case("texts not json", "honbun_data.json", "{'a': 1}", "not JSON at line 1, column 2")
file_case("texts empty", "honbun_data.json", "", "empty")
file_case("texts a list", "honbun_data.json", "[]", "not a list")
file_case("texts none", "honbun_data.json", "{}", "no texts")
file_case("a text a number", "honbun_data.json", '{"t": 5}', '"t"', "must be a string")
file_case("a text half a surrogate", "honbun_data.json", '{"t": "ab\\ud800"}', '"t"', "character 3")
file_case("a title twice", "honbun_data.json", '{"t": "x", "u": "y", "t": "z"}', '"t" appears twice')
file_case("texts not utf-8", "honbun_data.json", b'{"t": "\xff"}', "not UTF-8 at byte 7")
file_case("config not json", "bert_config.json", "{vocab_size: 3}", "not JSON")
file_case("config a list", "bert_config.json", "[1]", "JSON object")
file_case("config an ini without section", "bert_config.json", "[DATA]\nx = 1\n", "[BERT-CONFIG]")
file_case("config empty", "bert_config.json", "", "empty")
file_case("vocab no tabs", "wiki-ja.vocab", "a\nb\n", "row 1", "piece<TAB>score")
file_case("vocab empty", "wiki-ja.vocab", "", "the file is empty")
file_case("vocab a piece twice", "wiki-ja.vocab", "<unk>\t0\n<s>\t0\n<s>\t0\n", "row 3", '"<s>"')
file_case("vocab without cls", "wiki-ja.vocab", "<unk>\t0\n[SEP]\t0\n", "row 2", "[SEP]")
file_case(
    "vocab of another model", "wiki-ja.vocab", "<unk>\t0\n[CLS]\t0\n[SEP]\t0\nx\t0\n", "piece 2 of", "wiki-ja.model"
)
file_case("vocab not utf-8", "wiki-ja.vocab", b"\x80\t0\n", "not UTF-8")
file_case("model not sentencepiece", "wiki-ja.model", "hello", "not a SentencePiece model")
file_case("model empty", "wiki-ja.model", "", "not a SentencePiece model")
file_case("checkpoint index damaged", "model.ckpt-7.index", "junk" * 100, "not a readable checkpoint")
file_case("checkpoint data cut short", "model.ckpt-7.data-00000-of-00001", "x" * 50, "cannot be read")
flag_case("split unknown", "split", "documents", "invalid choice")
flag_case("length a word", "max_seq_length", "long", "invalid int")
flag_case("length too short", "max_seq_length", "4", "at least 5")
flag_case("length beyond the positions", "max_seq_length", "41", "40 positions")
flag_case("batch zero", "train_batch_size", "0", "at least 1")
flag_case("batch beyond the data", "train_batch_size", "100000", "less than one step")
flag_case("rate zero", "learning_rate", "0", "above 0")
flag_case("rate infinite", "learning_rate", "inf", "above 0")
flag_case("rate no number", "learning_rate", "nan", "above 0")
flag_case("epochs negative", "num_train_epochs", "-1", "at least 0")
flag_case("epochs beyond counting", "num_train_epochs", "1e308")
flag_case("split seed too large", "split_seed", str(2**32), "below")
flag_case("warm-up beyond one", "warmup_proportion", "1.5", "below 1")
flag_case("test share tiny", "test_share", "0.005", "at least 0.01")
flag_case("seed negative", "seed", "-1", "at least 0")
flag_case("pattern no expression", "group_pattern", "(", "not a regular expression")
flag_case("pattern without group", "group_pattern", "^.*,", "one group")
flag_case("lower case maybe", "do_lower_case", "maybe", "neither true nor false")
flag_case("precision unknown", "precision", "float16", "invalid choice")
flag_case("a flag that is none", "learning_rates", "1", "unrecognized")

for flag in ("honbun", "negaposi", "init_checkpoint", "bert_config_file", "model_file", "vocab_file"):
    CASES[f"{flag} not there"] = (
        lambda s, flag=flag: s.flags.__setitem__(flag, str(s.folder / "absent/file")),
        ("absent/file" if flag != "init_checkpoint" else "absent",),
    )
for flag in ("honbun", "negaposi", "bert_config_file", "model_file", "vocab_file"):
    CASES[f"{flag} a folder"] = (lambda s, flag=flag: s.flags.__setitem__(flag, str(s.folder)), ("is a folder",))
for flag in ("honbun", "negaposi", "init_checkpoint"):
    CASES[f"{flag} not given"] = (lambda s, flag=flag: s.flags.pop(flag), (f"--{flag} is missing",))


@case("--separate_layers 99", "2 layers", "at most 1")
def more_layers_apart_than_there_are(s):
    s.flags |= {"head": "midfusion", "separate_layers": "99"}


@case("negaposi.json: not an embedding cache", "--embedding_cache")
def vectors_that_are_none(s):
    s.flags["embedding_cache"] = s.flags["negaposi"]


@case("--seeds 2", "4294967295")
def seeds_beyond_the_largest(s):
    s.flags |= {"seed": str(2**32 - 1), "seeds": "2"}


@case("--split grouped", "only one of the two classes")
def the_second_split_is_impossible(s):
    s.flags |= {"split": "both", "group_pattern": "^(doc)"}


@case("holds readme.txt")
def checkpoint_folder_without_one(s):
    (s.folder / "empty").mkdir()
    (s.folder / "empty/readme.txt").write_text("x")
    s.flags["init_checkpoint"] = str(s.folder / "empty")


@case("no .data file")
def checkpoint_without_data(s):
    (s.folder / "model.ckpt-7.data-00000-of-00001").unlink()


@case("[30, 12]", "position_embeddings")
def config_of_another_size(s):
    s.config(max_position_embeddings=30)


@case("missing: bert/encoder/layer_2")
def config_with_more_layers(s):
    s.config(num_hidden_layers=3)


@case("unexpected: bert/encoder/layer_1")
def config_with_fewer_layers(s):
    s.config(num_hidden_layers=1)


@case("vocab_size is missing")
def config_without_vocabulary(s):
    s.config(vocab_size=None)


@case("not a multiple of")
def config_heads_do_not_divide(s):
    s.config(num_attention_heads=5)


@case('hidden_size is "wide"')
def config_with_a_word(s):
    s.config(hidden_size="wide")


@case("num_hidden_layers is 0")
def config_without_layers(s):
    s.config(num_hidden_layers=0)


@case('"relu" is not supported')
def config_of_another_activation(s):
    s.config(hidden_act="relu")


@case("rows, but", "wiki-ja.model has")
def vocab_longer_than_the_model(s):
    with open(s.folder / "wiki-ja.vocab", "a", encoding="utf-8") as file:
        file.write("more pieces than the BERT has\t0\n")


@case("the test part contains only one of the two classes")
def one_document_only(s):
    s.flags["split"] = "grouped"
    s.flags["group_pattern"] = "^(doc)"


@case("not empty")
def output_in_use(s):
    (s.folder / "out").mkdir()
    (s.folder / "out/thesis.txt").write_text("mine")


@case("is a file")
def output_a_file(s):
    (s.folder / "out").write_text("mine")


@case("not the folder of a run")
def resume_of_nothing(s):
    s.flags["resume"] = "true"


@pytest.mark.parametrize("name", CASES)
def test_train_refuses(name, tiny, tmp_path, capsys):
    spoil, words = CASES[name]
    setup = Setup(tiny, tmp_path)
    spoil(setup)
    before = snapshot(tmp_path)
    check_refused(train.main, setup.arguments(), words, capsys)
    assert snapshot(tmp_path) == before  # nothing half-written, nothing lost


def test_there_are_forty_and_more():
    assert len(CASES) >= 40


@pytest.mark.parametrize("main", [prepare.main, baseline.main])
@pytest.mark.parametrize(
    "name", ["both labels", "a title without text", "model not sentencepiece", "vocab_file not there"]
)
def test_the_other_commands_refuse_likewise(main, name, tiny, tmp_path, capsys):
    spoil, words = CASES[name]
    setup = Setup(tiny, tmp_path)
    spoil(setup)
    if main is prepare.main:  # these have no effect on records
        del setup.flags["init_checkpoint"], setup.flags["bert_config_file"]
    before = snapshot(tmp_path)
    check_refused(main, setup.arguments(), words, capsys)
    assert snapshot(tmp_path) == before


def test_as_a_process_too(tiny):
    """Checks stderr of a real process: TensorFlow's messages must not bury the line."""
    command = [sys.executable, "-m", "keras_negaposi.train", "--honbun", "absent.json", "--negaposi", "absent.json"]
    result = subprocess.run(
        [*command, "--init_checkpoint", str(tiny.folder), "--max_seq_length", "20"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 2
    assert "absent.json: no such file" in result.stderr.splitlines()[-1]

"""``--dev_share auto``: when there is a dev part, and that every command and a resumed run decide alike."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import BaselineConfig, DataConfig, PrepareConfig
from keras_negaposi.config.data import AUTO, AUTO_DEV_SHARE, SMALLEST_AUTO_DEV
from keras_negaposi.config.heads import JOINT
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import split_pairs
from keras_negaposi.input_pipeline.dev_part import split_with_dev
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.prepare import main as prepare
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.train import main as train

RUN = {"max_seq_length": 20, "precision": "float32", "num_train_epochs": 0.1, "train_batch_size": 16, "rank_queries": 0}


def unrelated(count):
    """Documents of two pairs, one of either label, which no other pair joins."""
    return [Pair(f"{n // 2},0", f"{n // 2},{n % 2 + 1}", n % 2) for n in range(count)]


def chains(documents):
    """Pairs of pages that follow each other, as many in each document as ``documents`` says."""
    return [Pair(f"{d},{page}", f"{d},{page + 1}", page % 2) for d, count in documents.items() for page in range(count)]


def sizes(pairs, **options):
    split, config = split_with_dev(pairs, DataConfig(**options))
    return {name: len(part) for name, part in split.parts.items()}, config.dev_share


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_the_limit(method):
    """With no pair to drop, a quarter of the pairs is for testing and a tenth of the rest must be 100 pairs."""
    few, share = sizes(unrelated(1300), split=method)
    assert few.keys() == {"train", "test"} and share == 0.0
    enough, share = sizes(unrelated(1350), split=method)
    assert enough["dev"] >= SMALLEST_AUTO_DEV and share == AUTO_DEV_SHARE


def test_the_limit_is_exact_in_a_random_split():
    below, at = sizes(unrelated(1321)), sizes(unrelated(1322))
    assert below == ({"train": 990, "test": 331}, 0.0)
    assert at == ({"train": 891, "test": 331, "dev": 100}, 0.1)


def test_a_dev_part_that_loses_most_of_its_pairs_is_not_made():
    """Negatives join each document to any other one, so few pairs remain on either side of a cut."""
    rows = [(document, page) for document in range(200) for page in range(5)]
    pairs = [Pair(f"{d},{page}", f"{d},{page + 1}", 1) for d, page in rows]
    pairs += [Pair(f"{d},{page}", f"{(d + 7 * page + 1) % 200},{page + 1}", 0) for d, page in rows]
    explicit, _ = sizes(pairs, split="grouped", dev_share=AUTO_DEV_SHARE)
    assert 0 < explicit["dev"] < SMALLEST_AUTO_DEV
    assert sizes(pairs, split="grouped") == sizes(pairs, split="grouped", dev_share=0.0)


def test_one_large_document_does_not_become_the_dev_part():
    documents = {f"small{number}": 10 for number in range(40)} | {f"large{number}": 130 for number in range(4)}
    assert sizes(chains(documents), split="grouped")[1] == 0.0


def test_pairs_that_cannot_be_split_once_more_are_split_once():
    pairs = chains({"small": 500, "large": 1500})  # one is the test part, and the other one cannot be cut
    with pytest.raises(InputError, match="contains only one of the two classes"):
        sizes(pairs, split="grouped", dev_share=AUTO_DEV_SHARE)
    assert sizes(pairs, split="grouped") == sizes(pairs, split="grouped", dev_share=0.0)


@pytest.mark.parametrize("method", ["random", "grouped"])
@pytest.mark.parametrize("share", [0.0, 0, 0.1, 0.3])
def test_a_number_means_that_number(method, share):
    config = DataConfig(split=method, dev_share=share, seed=3)
    for pairs in (unrelated(60), unrelated(1400)):
        assert split_with_dev(pairs, config) == (split_pairs(pairs, method, 0.25, share, r"^(.*),", 3), config)


@pytest.fixture(scope="module")
def large(tiny, tmp_path_factory):
    """The corpus with 1,400 pairs: enough for a dev part in a random split."""
    titles = sorted(json.loads(open(tiny.flags["honbun"], encoding="utf-8").read()))
    rows = [[a, b, number % 2] for number, (a, b) in enumerate((a, b) for a in titles[:10] for b in titles[:140])]
    file = tmp_path_factory.mktemp("large") / "negaposi.json"
    file.write_text(json.dumps(rows))
    return SimpleNamespace(flags=tiny.flags | {"negaposi": str(file)})


@pytest.mark.parametrize("config_class", [PrepareConfig, BaselineConfig])
@pytest.mark.parametrize("size, number", [("tiny", 0.0), ("large", AUTO_DEV_SHARE)])
def test_split_and_fingerprint_are_those_of_the_number(size, number, config_class, request, capsys):
    auto = config_class(**request.getfixturevalue(size).flags, max_seq_length=20)
    tokenizer = Tokenizer(auto.model_file, auto.vocab_file)
    assert auto.dev_share == AUTO
    by_itself = read_inputs(auto, tokenizer, JOINT)
    noted = capsys.readouterr().out
    given = read_inputs(dataclasses.replace(auto, dev_share=number), tokenizer, JOINT)
    assert by_itself.fingerprint == given.fingerprint and by_itself.config == given.config
    assert by_itself.split == given.split
    note = "no dev part: setting 0.1 of the 180 training pairs aside would not give 100 pairs; --dev_share 0.1 does it"
    assert (note in noted) == (number == 0.0)
    assert "no dev part" not in capsys.readouterr().out


def flags_of(values, folder):
    return [f"--{name}={value}" for name, value in (values | {"output_dir": str(folder)}).items()]


def parts_of(run):
    return {name: len(rows) for name, rows in json.loads((run / "split.json").read_text()).items()}


def test_a_small_run_says_that_it_is_not_hybrid(tiny, without_export, tmp_path, capsys):
    assert train([*flags_of(tiny.flags | RUN, tmp_path / "run"), "--hybrid", "true"]) == 0
    output = capsys.readouterr().out
    assert output.count("no dev part: ") == output.count("not hybrid: there is no dev part ") == 1
    assert parts_of(tmp_path / "run") == {"train": 180, "test": 60}
    assert json.loads((tmp_path / "run/calibration.json").read_text())["hybrid"] is None


def test_prepare_train_and_resume_decide_alike(large, without_export, tmp_path, capsys):
    files = ("honbun", "negaposi", "model_file", "vocab_file")
    prepared = {name: large.flags[name] for name in files} | {"max_seq_length": 20}
    assert prepare(flags_of(prepared, tmp_path / "records")) == 0
    run = tmp_path / "run"
    flags = [*flags_of(large.flags | RUN, run), f"--records={tmp_path}/records"]
    capsys.readouterr()
    assert train(flags) == 0
    output = capsys.readouterr().out
    assert "reused: records" in output and "no dev part" not in output and "not hybrid" not in output
    assert parts_of(run) == {"train": 945, "test": 350, "dev": 105}
    assert json.loads((run / "calibration.json").read_text())["hybrid"]
    assert json.loads((run / "config.json").read_text())["config"]["dev_share"] == AUTO

    before = {name: (run / name).read_bytes() for name in ("split.json", "calibration.json", "scores_test.tsv")}
    assert train(["--resume", f"--output_dir={run}", "--dev_share=0.1"]) == 2
    assert 'was started with "auto"' in capsys.readouterr().err
    (run / "split.json").unlink()
    assert train([*flags, "--resume", "--dev_share=auto"]) == 0
    assert before == {name: (run / name).read_bytes() for name in before}

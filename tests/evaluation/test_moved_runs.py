"""Tests of finished runs that are used from elsewhere, moved, or without their inputs; nothing is overwritten."""

import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.tables import read_rows, unescaped
from keras_negaposi.baseline import main as baseline
from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.index import main as index
from keras_negaposi.runtime.saved_run import check_finished, saved_options
from keras_negaposi.train import main as train
from tests.helpers.folders import snapshot

ODD = ("\u2028", "\v", "\r", "\n", "\x85", "\t", "\\n", "\u2029")
INPUTS = ("honbun", "negaposi", "init_checkpoint", "bert_config_file", "model_file", "vocab_file")


@pytest.fixture(scope="module")
def home(tiny, corpus, pair_rows, tmp_path_factory):
    """A folder with ``data`` and ``run``, trained there by relative paths; every title has an odd character."""
    path = tmp_path_factory.mktemp("home")
    shutil.copytree(tiny.folder, path / "data")
    renamed = {title: title.replace(",", f"{ODD[n % len(ODD)]},") for n, title in enumerate(corpus)}
    texts = {renamed[title]: text for title, text in corpus.items()}
    (path / "data/honbun_data.json").write_text(json.dumps(texts), encoding="utf-8")
    rows = [[renamed[a], renamed[b], label] for a, b, label in pair_rows]
    (path / "data/negaposi.json").write_text(json.dumps(rows), encoding="utf-8")
    options = {
        "honbun": "data/honbun_data.json",
        "negaposi": "data/negaposi.json",
        "init_checkpoint": "data",
        "output_dir": "run",
        "max_seq_length": 20,
        "train_batch_size": 16,
        "num_train_epochs": 0.5,
        "save_checkpoints_steps": 4,
        "dev_share": 0.1,
        "precision": "float32",
        "rank_queries": 2,
    }
    with contextlib.chdir(path):
        assert train([f"--{name}={value}" for name, value in options.items()]) == 0
    return path


@pytest.fixture
def copy(home, tmp_path):
    """A copy of the run and its data in another place."""
    shutil.copytree(home, tmp_path / "home")
    return SimpleNamespace(home=tmp_path / "home", run=tmp_path / "home/run", data=tmp_path / "home/data")


def edit(path, **changes):
    values = json.loads(path.read_text(encoding="utf-8"))
    values["config"] |= changes
    path.write_text(json.dumps(values), encoding="utf-8")


def refused(main, arguments, capsys, *words):
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line


def test_odd_titles_are_read_back_and_a_run_is_evaluated_from_any_folder(home, tmp_path, monkeypatch):
    table = read_rows((home / "run/scores_test.tsv").read_text(encoding="utf-8"))[1:]
    found = [[unescaped(row[0]), unescaped(row[1]), int(row[2])] for row in table]
    assert found == json.loads((home / "run/split.json").read_text())["test"]
    before = (home / "run/metrics.json").read_text()
    monkeypatch.chdir(tmp_path)
    assert evaluate([str(home / "run")]) == 0
    assert (home / "run/metrics.json").read_text() == before


def test_resumed_with_a_moved_file_and_a_damaged_newest_checkpoint(copy, tmp_path, capsys, monkeypatch):
    before = (copy.run / "metrics.json").read_text()
    newest = max((copy.run / "checkpoints").glob("*.data*"), key=lambda path: int(path.name[5:].split(".")[0]))
    newest.write_bytes(newest.read_bytes()[:100])
    (copy.run / "checkpoints/checkpoint").write_bytes(b"\xff{")
    for name in ("split.json", "scores_test.tsv", "calibration.json", "tokenizer.vocab", "metrics.json"):
        (copy.run / name).write_bytes((copy.run / name).read_bytes()[:20])  # what is written again
    moved = (copy.data / "honbun_data.json").rename(tmp_path / "moved.json")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text(moved.read_text() + " ")
    refused(train, ["--resume", f"--output_dir={copy.run}", "--honbun=other.json"], capsys, "other.json", "changed")
    assert train(["--resume", f"--output_dir={copy.run}", "--honbun=moved.json"]) == 0
    output = capsys.readouterr().out
    assert f"{newest.name.partition('.')[0]}: cannot be read" in output and "resumed at step 4" in output
    assert (copy.run / "metrics.json").read_text() == before
    assert saved_options(str(copy.run)).honbun == str(moved)


@pytest.mark.parametrize("name", ["honbun", "negaposi", "vocab_file"])
@pytest.mark.parametrize("older", [False, True])
def test_changed_inputs_are_refused_and_the_figures_stay(copy, capsys, name, older):
    config = copy.run / "config.json"
    if older:  # which saved no hashes of the files
        values = json.loads(config.read_text())
        del values["inputs"]
        config.write_text(json.dumps(values))
    path = {"honbun": "honbun_data.json", "negaposi": "negaposi.json", "vocab_file": "wiki-ja.vocab"}[name]
    content = (copy.data / path).read_text(encoding="utf-8")
    (copy.data / path).write_text(content[:-1] + "0\n" if name == "vocab_file" else content + " ", encoding="utf-8")
    edit(config, **{name: str(copy.data / path)})
    before = snapshot(copy.home)
    for arguments in ([], ["--precision=int8"]):
        refused(evaluate, [copy.run, *arguments], capsys, path, "changed")
    refused(train, ["--resume", f"--output_dir={copy.run}"], capsys, "changed since")
    assert snapshot(copy.home) == before


def test_another_checkpoint_is_refused(copy, capsys, home):
    from checkpoints_tools.bert_config import BertConfig
    from checkpoints_tools.formats.tf1 import write_checkpoint
    from tests.helpers.tiny_bert import random_tf1_variables

    bert = BertConfig.from_file(str(copy.data / "bert_config.json"))
    write_checkpoint(str(copy.data / "model.ckpt-7"), random_tf1_variables(bert, seed=1))
    edit(copy.run / "config.json", init_checkpoint=str(copy.data))
    before = snapshot(copy.home)
    refused(evaluate, [copy.run], capsys, "model.ckpt-7", "--init_checkpoint", "changed since")
    assert snapshot(copy.home) == before


def test_a_run_that_was_moved_with_its_data_finds_it(home, copy, monkeypatch):
    hidden = home.rename(home.with_name("gone"))
    try:
        found = saved_options(str(copy.run))
        assert [getattr(found, name) for name in INPUTS[:3]] == [
            str(copy.data / "honbun_data.json"),
            str(copy.data / "negaposi.json"),
            str(copy.data),
        ]
        shutil.rmtree(copy.data)
        own = [f"{copy.run}/{name}" for name in ("bert_config.json", "tokenizer.model", "tokenizer.vocab")]
        assert [getattr(saved_options(str(copy.run)), name) for name in INPUTS[3:]] == own
    finally:
        hidden.rename(home)


def test_an_older_runs_relative_paths(copy, monkeypatch, tmp_path, capsys):
    relative = {
        "honbun": "data/honbun_data.json",
        "negaposi": "data/negaposi.json",
        "init_checkpoint": "data/model.ckpt-7",
    }
    edit(copy.run / "config.json", **relative, output_dir="run")
    monkeypatch.chdir(tmp_path)
    found = saved_options("home/run")
    assert [getattr(found, name) for name in relative] == [str(copy.home / path) for path in relative.values()]
    monkeypatch.chdir(copy.home)  # where it was trained
    assert saved_options("run").honbun == str(copy.data / "honbun_data.json")
    (copy.data / "honbun_data.json").unlink()
    refused(evaluate, ["run"], capsys, "honbun_data.json: no such file any more", "--honbun PATH")
    refused(train, ["--resume", "--output_dir=run"], capsys, "honbun_data.json: no such file any more", "--honbun PATH")
    refused(index, ["run", "--output=i"], capsys, "honbun_data.json: no such file any more", "give --honbun")


def test_evaluate_replaces_nothing_of_others(home, copy, capsys, tmp_path):
    pairs = [f"--honbun={copy.data}/honbun_data.json", f"--negaposi={copy.data}/negaposi.json"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/metrics.json").write_text("mine")
    before = snapshot(tmp_path)
    for folder, word in (
        (copy.run, "is the folder of a run"),
        (copy.run / "saved_model", "not empty"),
        (tmp_path / "mine", "not empty"),
    ):
        refused(evaluate, [copy.run, *pairs, f"--output_dir={folder}"], capsys, f"--output_dir {folder}", word)
        flags = [f"--{name}={value}" for name, value in vars(saved_options(str(copy.run))).items() if name in INPUTS]
        refused(baseline, [*flags, "--max_seq_length=20", f"--output_dir={folder}"], capsys, f"{folder}", word)
    assert snapshot(tmp_path) == before


def test_pair_files_of_one_name_have_a_folder_each(copy, capsys, tmp_path):
    rows = json.loads((copy.data / "negaposi.json").read_text())
    folders = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "pairs.json"
        file.write_text(json.dumps(rows[20 * number : 20 * number + 20 + number * 2]))
        flags = [f"--honbun={copy.data}/honbun_data.json", f"--negaposi={file}"]
        assert evaluate([str(copy.run), *flags]) == 0
        folders.append(capsys.readouterr().out.splitlines()[-1].rpartition(" in ")[2])
    counts = [json.loads(open(f"{folder}/metrics.json").read())["pairs"] for folder in folders]
    assert folders[0] == f"{copy.run}/evaluation_pairs" and counts == [20, 22]
    before = snapshot(copy.run)
    refused(
        evaluate, [copy.run, *flags, f"--output_dir={folders[0]}"], capsys, "contains the results of", "0/pairs.json"
    )
    assert evaluate([str(copy.run), *flags]) == 0  # again: in its own folder
    assert snapshot(copy.run) == before


def test_the_folder_of_several_runs_is_not_one(copy, capsys):
    root = copy.home
    (root / "config.json").write_text(json.dumps({"config": {"seeds": 2}}))
    refused(evaluate, [root], capsys, "the folder of several runs", f"{root}/run")
    with pytest.raises(InputError, match="--teacher .* the folder of several runs"):
        check_finished(str(root), "--teacher ")

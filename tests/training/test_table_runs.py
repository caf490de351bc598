"""Tests of a run on a table of labelled pairs: it keeps the pairs as JSON, and needs the table no more."""

import contextlib
import csv
import json
import shutil

import pytest

from checkpoints_tools.common.cli import add_flags, make_parser
from keras_negaposi.baseline import main as baseline
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.index import main as index
from keras_negaposi.predict import main as predict
from keras_negaposi.prepare import main as prepare
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.suggest import main as suggest
from keras_negaposi.train import configure
from keras_negaposi.train import main as train
from tests.helpers.folders import snapshot

COLUMNS = ("前の文", "後の文", "正解", "文書")
NAMES = f"--columns={','.join(COLUMNS)}"
MODEL = ("init_checkpoint", "bert_config_file", "model_file", "vocab_file")
SPLIT = ["--split=grouped", "--max_seq_length=20", "--dev_share=0.2"]


@pytest.fixture(scope="module")
def home(tiny, corpus, pair_rows, tmp_path_factory):
    """A folder with a table, the run on it, and the records of `prepare`, all without the table afterwards."""
    path = tmp_path_factory.mktemp("home")
    with open(path / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for a, b, label in pair_rows:
            rows.writerow([f"{a[:5]}の{corpus[a]}", f"{b[:5]}の{corpus[b]}", label, a[:5]])
    flags = [f"--{name}={tiny.flags[name]}" for name in MODEL]
    with contextlib.chdir(path):
        table = ["--pairs=pairs.csv", NAMES, *SPLIT]
        assert prepare([*table, *flags[2:], "--head=vector", "--output_dir=records"]) == 0
        few = ["--max_steps=3", "--train_batch_size=16", "--rank_queries=2", "--embedded_pairs=40"]
        more = ["--head=vector", "--precision=float32", "--output_dir=run", "--records=records"]
        assert train([*table, *flags, *few, *more]) == 0
    (path / "pairs.csv").rename(path / "moved.csv")
    return path


@pytest.fixture
def copy(home, tmp_path):
    """A copy of all that in another place."""
    return shutil.copytree(home, tmp_path / "home")


def refused(main, arguments, capsys, *words):
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line


def test_the_run_has_the_pairs_as_json(home, pair_rows):
    texts, rows = (json.loads((home / "run" / name).read_text()) for name in ("honbun_data.json", "negaposi.json"))
    assert len(rows) == len(pair_rows) and {title.split(",")[0] for title in texts} == {a[:5] for a, _, _ in pair_rows}
    assert all(texts[a].startswith(a[:5]) for a, _, _ in rows)  # the group is that of A
    parts = json.loads((home / "run/split.json").read_text())
    documents = {name: {title.split(",")[0] for row in rows for title in row[:2]} for name, rows in parts.items()}
    assert not documents["train"] & documents["test"] and not documents["train"] & documents["dev"]
    saved = json.loads((home / "run/config.json").read_text())["config"]
    assert (saved["pairs"], saved["columns"], saved["honbun"]) == (f"{home}/pairs.csv", ",".join(COLUMNS), None)


def test_records_of_the_table_are_those_of_its_json_files(home, capsys, tiny):
    files = [f"--honbun={home}/run/honbun_data.json", f"--negaposi={home}/run/negaposi.json"]
    flags = [f"--{name}={tiny.flags[name]}" for name in MODEL[2:]]
    assert prepare([*files, *SPLIT, *flags, "--head=vector", f"--output_dir={home}/records"]) == 0
    assert "reused: " in capsys.readouterr().out


def test_a_run_is_used_and_can_be_resumed_without_its_table(copy, capsys):
    run = str(copy / "run")
    before = (copy / "run/metrics.json").read_text()
    assert evaluate([run]) == 0
    assert (copy / "run/metrics.json").read_text() == before
    parser = make_parser("train", "")
    add_flags(parser, TrainConfig)
    config = configure(parser.parse_args(["--resume", f"--output_dir={run}"]))
    assert (config.honbun, config.negaposi) == (f"{run}/honbun_data.json", f"{run}/negaposi.json")
    assert index([run, f"--output={copy}/index"]) == 0
    title = next(iter(json.loads((copy / "run/honbun_data.json").read_text())))
    assert suggest([f"{copy}/index", f"--title={title}", "--skip_linked", f"--run={run}"]) == 0


def test_predict_and_evaluate_read_the_table(copy, pair_rows, capsys):
    run, table = str(copy / "run"), str(copy / "moved.csv")
    two = f"--columns={','.join(COLUMNS[:2])}"
    assert predict([run, f"--input={table}", two, f"--output={copy}/scores.tsv"]) == 0
    assert len((copy / "scores.tsv").read_text().splitlines()) == len(pair_rows)
    refused(predict, [run, f"--input={table}"], capsys, "has no text_a and no text_b", '"前の文"', "--columns")
    refused(predict, [run, f"--input={table}", NAMES], capsys, "--columns", "TEXT_A,TEXT_B")
    capsys.readouterr()
    assert evaluate([run, f"--pairs={table}", NAMES]) == 0
    folder = copy / "run/evaluation_moved"
    assert str(folder) in capsys.readouterr().out
    assert json.loads((folder / "metrics.json").read_text())["pairs"] == len(pair_rows)
    other = [f"--columns={','.join(COLUMNS[:3])}", f"--output_dir={folder}"]
    refused(evaluate, [run, f"--pairs={table}", *other], capsys, "contains the results of", "moved.csv")


def test_a_changed_table_is_refused_on_resuming_only(copy, capsys, tmp_path):
    run = f"--output_dir={copy}/run"
    assert saved_options(f"{copy}/run").pairs
    table = (copy / "moved.csv").rename(copy / "pairs.csv")
    table.write_text(table.read_text(encoding="utf-8") + "余分,な行,1,doc00\n", encoding="utf-8")
    before = snapshot(copy)
    refused(train, ["--resume", run, f"--pairs={table}"], capsys, "pairs.csv: has changed since", "(--pairs)")
    refused(train, ["--resume", run, "--pairs=absent.csv"], capsys, "absent.csv: no such file")
    refused(train, ["--resume", run, "--columns=a,b,c"], capsys, '--columns "a,b,c": the run in', "was started with")
    assert snapshot(copy) == before
    assert predict([f"{copy}/run", f"--input={table}", f"--columns={COLUMNS[0]},{COLUMNS[1]}"]) == 0


def test_changed_or_missing_json_files_are_noticed(copy, without_export, capsys):
    texts = copy / "run/honbun_data.json"
    content = texts.read_text(encoding="utf-8")
    texts.write_text(content + " ", encoding="utf-8")
    refused(evaluate, [copy / "run"], capsys, f"{texts}: has changed since", "--honbun")
    texts.unlink()
    refused(evaluate, [copy / "run"], capsys, "pairs.csv: no such file any more", "--pairs PATH")
    refused(index, [copy / "run", f"--output={copy}/index"], capsys, f"{texts}: no such file any more", "--honbun")
    # As after a kill between these files; resuming writes both again
    assert train(["--resume", f"--output_dir={copy}/run", f"--pairs={copy}/moved.csv"]) == 0
    assert texts.read_text(encoding="utf-8") == content
    assert saved_options(f"{copy}/run").pairs == f"{copy}/moved.csv"


def test_baseline_reads_the_table(copy, tiny, capsys):
    flags = [f"--{name}={tiny.flags[name]}" for name in MODEL]
    table = [f"--pairs={copy}/moved.csv", *SPLIT, "--embedded_pairs=20", f"--output_dir={copy}/figures"]
    assert baseline([*table, NAMES, *flags]) == 0
    saved = json.loads((copy / "figures/baseline_metrics.json").read_text())["config"]
    assert saved["pairs"] == f"{copy}/moved.csv" and saved["honbun"] is None
    other = NAMES.replace("文書", "後の文")
    refused(baseline, [*table, other, *flags], capsys, "--columns", "one name twice")
    refused(baseline, [*table, NAMES.rpartition(",")[0], *flags], capsys, "contains results for --columns")

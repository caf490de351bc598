"""``evaluate RUN RUN2 --compare FILE.html``."""

import json
import shutil

import pytest

from keras_negaposi.evaluate import main as evaluate
from tests.helpers.commands import refusal
from tests.helpers.runs import HYBRID, QUICK


@pytest.fixture(scope="module")
def runs(finished_run, tmp_path_factory):
    """Two runs with other test parts, and a copy of the first one that is always wrong."""
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder / "first", **QUICK)
    finished_run(folder / "second", **HYBRID)
    contrary = shutil.copytree(folder / "first", folder / "contrary")
    header, *rows = (contrary / "scores_test.tsv").read_text().splitlines()
    changed = []
    for row in rows:
        a, b, label, _, _ = row.split("\t")
        changed.append("\t".join([a, b, label, "0.1" if label == "1" else "0.9", "0" if label == "1" else "1"]))
    (contrary / "scores_test.tsv").write_text("\n".join([header, *changed]) + "\n")
    return folder


def test_runs_with_other_test_parts(runs, tmp_path, capsys):
    page = tmp_path / "c.html"
    assert evaluate([str(runs / "first"), str(runs / "second"), "--compare", str(page)]) == 0
    tests = [json.loads((runs / name / "split.json").read_text())["test"] for name in ("first", "second")]
    common = len({tuple(row) for row in tests[0]} & {tuple(row) for row in tests[1]})
    printed, text = capsys.readouterr().out, page.read_text()
    assert 0 < common < len(tests[0])
    assert f"{common} test pairs in common (first has {len(tests[0])}, second has {len(tests[1])})" in printed
    assert f"on the {common} test pairs" in text
    assert "<tr><th>--split</th>" in text and "<tr><th>--seed</th>" not in text


def test_a_clear_difference_and_the_pairs_that_changed(runs, tmp_path, capsys):
    page = tmp_path / "c.html"
    assert evaluate([str(runs / "first"), str(runs / "contrary"), f"--compare={page}"]) == 0
    right = json.loads((runs / "first/metrics.json").read_text())
    lost = right["confusion"][0][0] + right["confusion"][1][1]
    assert f"only one correct 0 : {lost}, p < 0.001: clearly worse" in capsys.readouterr().out
    text = page.read_text()
    assert "clearly worse" in text and f"0 became correct, {lost} became wrong" in text
    assert text.count("<article") == min(lost, 50) and "None: the runs have the same options." in text
    assert "<script" not in text and 'lang="ja"' in text


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["first", "second"], "only one RUN is evaluated; to compare several, give --compare FILE.html"),
        (["first", "--compare=c.html"], "--compare c.html: needs two runs or more"),
    ],
)
def test_several_runs_and_the_flag_belong_together(runs, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    assert words in refusal(evaluate, arguments, capsys)


def test_what_cannot_be_compared(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    page = tmp_path / "c.html"
    assert evaluate(["first", "./first/", f"--compare={page}"]) == 2
    assert "./first/: given twice" in capsys.readouterr().err
    assert evaluate(["first", str(tmp_path), f"--compare={page}"]) == 2
    assert "not the folder of a run" in capsys.readouterr().err
    assert not page.exists()

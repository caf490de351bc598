"""Whatever a user gives to ``predict`` that it cannot score: one clear line that names the place, nothing written."""

import pytest

from keras_negaposi import evaluate, predict
from tests.helpers.commands import check_refused
from tests.helpers.runs import QUICK

PREDICT = {
    "one column": ("a\tb\nc\n", "line 2", "1 columns"),
    "three columns": ("a\tb\tc\n", "line 1", "3 columns"),
    "empty line": ("a\tb\n\nc\td\n", "line 2"),
    "not utf-8": (b"a\tb\n\xff\tb\n", "line 2", "not UTF-8"),
    "json cut short": ('{"text_a": "x", "text_b": "y"}\n{"text_a": \n', "line 2", "not JSON at column"),
    "json without b": ('{"text_a": "x"}\n', "line 1", "text_b"),
    "json a number": ('["a", 3]\n', "line 1", "text_b must be a string"),
    "json half a surrogate": ('["a", "\\udc00"]\n', "line 1", "surrogate"),
}


@pytest.fixture(scope="module")
def scorer_folder(finished_run, tmp_path_factory):
    return str(finished_run(tmp_path_factory.mktemp("run") / "out", **QUICK))


@pytest.mark.parametrize("name", PREDICT)
def test_predict_refuses(name, scorer_folder, tmp_path, capsys):
    content, *words = PREDICT[name]
    (tmp_path / "in").write_bytes(content if isinstance(content, bytes) else content.encode())
    flags = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    check_refused(predict.main, [scorer_folder, *flags], words, capsys)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("main", "words"), [(predict.main, "neither a run's folder nor a SavedModel"), (evaluate.main, "not the folder of")]
)
def test_a_folder_without_a_model_is_refused(main, words, tiny, tmp_path, capsys):
    (tmp_path / "in").write_text("a\tb\n")
    pairs = [f"--{name}={tiny.flags[name]}" for name in ("honbun", "negaposi")]
    flags = ["--input", f"{tmp_path}/in"] if main is predict.main else pairs
    check_refused(main, [str(tmp_path), *flags], [words], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_predict_refuses_a_missing_file(scorer_folder, capsys):
    check_refused(predict.main, [scorer_folder, "--input", "absent.tsv"], ["absent.tsv"], capsys)


def test_predict_names_the_output_whose_folder_is_missing(scorer_folder, tmp_path, capsys):
    (tmp_path / "in").write_text("a\tb\n")
    output = str(tmp_path / "absent/out")
    flags = ["--input", str(tmp_path / "in"), "--output", output]
    check_refused(predict.main, [scorer_folder, *flags], [f"{output}: No such file or directory"], capsys)


def test_predict_refuses_another_saved_model(tmp_path, capsys):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    (tmp_path / "in").write_text("a\tb\n")
    check_refused(predict.main, [str(tmp_path / "other"), "--input", str(tmp_path / "in")], ["no signature"], capsys)

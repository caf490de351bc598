"""``convert --force`` replaces all files of an earlier conversion or none, and no other file."""

import os
import shutil

import pytest

from checkpoints_tools import InputError, conversion
from checkpoints_tools.__main__ import main
from checkpoints_tools.conversion import LIST, convert
from checkpoints_tools.source import open_source, open_weights
from tests.helpers.checkpoints import all_variables, assert_same, save_tf1


@pytest.fixture
def source(tmp_path):
    return open_source(save_tf1(tmp_path / "a", all_variables()))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_are_replaced(source, tmp_path):
    out = tmp_path / "out"
    for to in ("tf1", "huggingface", "tf2", "tf1"):
        convert(source, str(out), to, force=True)
        assert open_weights(str(out)).kind == to
        assert_same(open_weights(str(out)), all_variables())
    convert(source, str(tmp_path / "new"), "tf1")
    assert content(out).keys() == content(tmp_path / "new").keys()
    assert sorted(os.listdir(tmp_path)) == ["a", "new", "out"]


def test_a_linked_folder_stays_linked(source, tmp_path):
    convert(source, str(tmp_path / "real"), "tf1")
    (tmp_path / "out").symlink_to("real")
    convert(source, str(tmp_path / "out"), "huggingface", force=True)
    assert (tmp_path / "out").is_symlink() and open_weights(str(tmp_path / "real")).kind == "huggingface"


def test_a_conversion_that_fails_leaves_the_old_one(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    convert(source, str(out), "tf1")
    before = content(out)

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(conversion, "copy_tokenizer", fail)
    with pytest.raises(ZeroDivisionError):
        convert(source, str(out), "huggingface", force=True)
    assert content(out) == before and sorted(os.listdir(tmp_path)) == ["a", "out"]


def test_other_files_are_not_touched(source, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    convert(source, str(ours), "tf1")
    (ours / "mine.txt").write_text("mine")
    theirs.mkdir()
    (theirs / "bert_config.json").write_text("theirs")
    for folder, message in ((ours, "holds mine.txt, which convert did not write"), (theirs, f"there is no {LIST}")):
        before = content(folder)
        with pytest.raises(InputError, match=message):
            convert(source, str(folder), "huggingface", force=True)
        assert content(folder) == before


def test_the_input_is_never_replaced(source, tmp_path, capsys):
    out = tmp_path / "out"
    convert(source, str(out), "tf1")
    (tmp_path / "link").symlink_to("out")
    for number, path in enumerate(out.glob("bert_model.ckpt.*")):
        (tmp_path / path.name).symlink_to(path)
        assert number < 2
    shutil.copy(out / "bert_config.json", tmp_path)
    before = content(out)
    for path in (out, tmp_path / "link", out / "bert_model.ckpt", tmp_path / "bert_model.ckpt"):
        assert main(["convert", str(path), "--to", "tf2", "--output_dir", str(out), "--force"]) == 2
        assert "holds the input" in capsys.readouterr().err
    config = ["--bert_config_file", str(out / "bert_config.json")]
    assert main(["convert", source.path, *config, "--to", "tf2", "--output_dir", str(out), "--force"]) == 2
    assert content(out) == before


def test_an_empty_folder_name_is_rejected(source):
    with pytest.raises(InputError, match="--output_dir is empty"):
        convert(source, "", "tf1")


def test_a_damaged_list(source, tmp_path):
    convert(source, str(tmp_path / "out"), "tf1")
    for text in ("", "[]", '{"files": "x"}', '{"files": [1]}', '{"files": ["conversion.json"]}'):
        (tmp_path / "out" / LIST).write_text(text)
        with pytest.raises(InputError, match="give another folder|is empty"):
            convert(source, str(tmp_path / "out"), "tf1", force=True)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_folder_that_cannot_be_renamed_stays(source, tmp_path, monkeypatch, failing):
    """The first rename fails at a mount point; if the second one fails, the first is undone."""
    out = tmp_path / "out"
    convert(source, str(out), "tf1")
    before, rename, calls = content(out), os.rename, []

    def refuse(old, new):
        calls.append(old)
        if len(calls) == failing:
            raise OSError(16, "Device or resource busy")
        rename(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(InputError, match="cannot be replaced"):
        convert(source, str(out), "huggingface", force=True)
    assert content(out) == before and sorted(os.listdir(tmp_path)) == ["a", "out"]


def test_in_an_object_store(source):
    for to in ("tf1", "huggingface"):
        convert(source, "ram://forced/bert", to, force=True)
    import tensorflow as tf

    assert sorted(tf.io.gfile.listdir("ram://forced/bert")) == ["config.json", LIST, "model.safetensors"]

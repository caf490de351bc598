"""Tests of a run's files after editing or damage: they are read, or rejected with a one-line message."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_json, write_text
from checkpoints_tools.common.tables import write_rows
from keras_negaposi.config import BaselineConfig, PairSource, TrainConfig
from keras_negaposi.data.pairs import Pair, Pairs
from keras_negaposi.data.splits import Split, read_split
from keras_negaposi.evaluation import baselines, figures_folder
from keras_negaposi.evaluation.dev_history import DevHistory, DevPoint, read_dev_history, write_dev_history
from keras_negaposi.evaluation.embedding_cache import _write_vectors, read_vectors, text_key
from keras_negaposi.evaluation.figures_folder import About
from keras_negaposi.evaluation.figures_json import read_history, write_figures
from keras_negaposi.evaluation.other_pairs import read_step
from keras_negaposi.runtime.resume import check_unused
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import environment, read_saved, saved_options
from keras_negaposi.serving.calibration import Calibration, saved_calibration
from keras_negaposi.training.callbacks import Progress
from keras_negaposi.training.checkpoints import restore_newest
from keras_negaposi.training.distillation import read_predicted
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

HIDDEN = 3
OPTIONS = TrainConfig(
    honbun="h.json", negaposi="n.json", init_checkpoint="m", teacher="t", records="r", embedding_cache="v"
)
BASELINE = BaselineConfig(honbun="h.json", negaposi="n.json", output_dir="b")
ABOUT = About.of("run", PairSource(honbun="h.json", negaposi="n.json"), "float32")
POINT = {"step": 5, "loss": 0.7, "accuracy": 0.5, "learning_rate": 1e-5, "pairs_per_second": 9.5}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Creates a folder with every file that we write, each by its own writer, and the functions that read them."""
    path = tmp_path_factory.mktemp("own")
    folder = RunFolder(str(path))
    saved = {"config": dataclasses.asdict(OPTIONS), "total_steps": 9, "fingerprint": "0a", "inputs": {"honbun": "0b"}}
    write_json(folder.config, saved | {"init_checkpoint_fingerprint": "0c"} | environment("train"))
    write_json(folder.calibration, dataclasses.asdict(Calibration(1.5, 0.4, "dev")))
    pairs = Pairs.of([Pair("甲\u2028", "乙", 1), Pair("甲\u2028", "丙", 0)])
    Split({"train": pairs, "test": pairs, "dev": pairs}).write(folder.split)
    write_figures(folder.metrics, {"schema": 1, "global_step": 9, "figures": {"f1": {"value": float("nan")}}})
    write_figures(folder.history, [POINT, POINT | {"step": 9, "loss": float("inf")}])
    write_dev_history(folder.dev_history, DevHistory((DevPoint(0, None, 0.5), DevPoint(9, 0.25, 0.75)), 9))
    write_text(folder.teacher, write_rows([["0.25"], ["1"], ["1e-09"]]))
    vectors = {text_key(text): np.ones([2, HIDDEN], np.float32) for text in "甲乙"}
    _write_vectors(str(path / "vectors.npz"), "key", vectors)
    figures_folder.claim(str(path), ABOUT)
    config = dataclasses.asdict(BASELINE)
    (path / "b").mkdir()
    write_figures(str(path / "b" / baselines.METRICS), {"config": config})
    readers = {
        "config.json": lambda: (saved_options(str(path)), read_saved(str(path))),
        "calibration.json": lambda: saved_calibration(folder),
        "split.json": lambda: read_split(folder.split),
        "metrics.json": lambda: read_step(folder),
        "history.json": lambda: read_history(folder.history),
        "dev_history.json": lambda: read_dev_history(folder.dev_history),
        "teacher.txt": lambda: read_predicted(folder.teacher),
        "vectors.npz": lambda: read_vectors(str(path / "vectors.npz"), "key", HIDDEN),
        "evaluation.json": lambda: figures_folder.is_free(str(path), ABOUT),
        "b/baseline_metrics.json": lambda: baselines.check_free(str(path / "b"), BASELINE),
    }
    return SimpleNamespace(path=path, readers=readers, good={name: (path / name).read_bytes() for name in readers})


NAMES = ("config", "calibration", "split", "metrics", "history", "dev_history", "evaluation", "b/baseline_metrics")
JSON_FILES = [f"{name}.json" for name in NAMES]


def changed(own, name, content):
    """Returns what the reader returns for a file with that content."""
    (own.path / name).write_bytes(content)
    try:
        return succeeds_or_explains(own.readers[name])
    finally:
        (own.path / name).write_bytes(own.good[name])


def test_as_they_were_written_all_are_read(own):
    found = {name: read() for name, read in own.readers.items()}
    assert found["calibration.json"] == Calibration(1.5, 0.4, "dev")
    assert found["split.json"]["test"][0] == Pair("甲\u2028", "乙", 1)
    assert [point.loss for point in found["history.json"]] == [0.7, None]
    assert [point.loss for point in found["dev_history.json"].points] == [None, 0.25]
    assert found["teacher.txt"].tolist() == [0.25, 1.0, 1e-9]
    assert found["vectors.npz"].keys() == {text_key("甲"), text_key("乙")}
    assert found["config.json"][0].honbun.endswith("/h.json") and found["evaluation.json"]


@pytest.mark.parametrize("name", JSON_FILES)
@bounded
@given(st.data())
def test_property_of_changed_values(own, name, data):
    value = data.draw(json_mutations(json.loads(own.good[name])))
    found = changed(own, name, json.dumps(value).encode())
    if isinstance(found, InputError):
        assert name in str(found) or "--output_dir" in str(found)


@pytest.mark.parametrize("name", [*JSON_FILES, "teacher.txt", "vectors.npz"])
@bounded
@given(st.data())
def test_property_of_changed_bytes(own, name, data):
    found = changed(own, name, data.draw(mutations(own.good[name], [b"NaN", b"-1", b'"x"'])))
    if name == "vectors.npz" and not isinstance(found, InputError):
        assert all(vector.shape == (2, HIDDEN) and np.isfinite(vector).all() for vector in found.values())
    if name == "teacher.txt" and found is not None:
        assert ((found >= 0) & (found <= 1)).all()


def with_key(own, name, **changes):
    values = json.loads(own.good[name]) | changes
    return json.dumps({key: value for key, value in values.items() if value != "absent"}).encode()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("config.json", {"config": {"head": "pairs"}}, ["config.json: head", '"pairs"', "not one of"]),
        ("config.json", {"config": {"max_seq_length": "64"}}, ["config: max_seq_length: expected int, got str"]),
        ("config.json", {"config": {"learning_rate": None}}, ["learning_rate: expected float"]),
        ("config.json", {"config": {"seed": -1}}, ["--seed -1", "at least 0"]),
        ("config.json", {"config": {"honbun": "a\0b"}}, ["honbun", "not valid text"]),
        ("config.json", {"config": {"negaposi": "\ud800"}}, ["config.json", "negaposi", "surrogate"]),
        ("config.json", {"config": {"warp": 9}}, ['unknown option "warp"', "version"]),
        ("config.json", {"config": "absent"}, ["config.json", "config"]),
        ("config.json", {"total_steps": -1}, ["total_steps"]),
        ("dev_history.json", {"kept": -1}, ["dev_history.json: kept", "remove the file"]),
        ("dev_history.json", {"points": [{"step": 1, "loss": 1, "accuracy": 2}]}, ["points[0].accuracy", "<= 1"]),
        ("calibration.json", {"temperature": "absent"}, ["calibration.json", "temperature", "--resume"]),
        ("calibration.json", {"temperature": 0}, ["temperature"]),
        ("calibration.json", {"threshold": [0.5]}, ["threshold: expected float, got array"]),
        ("calibration.json", {"chosen_on": "test"}, ["chosen_on"]),
        ("split.json", {"test": "absent"}, ["split.json", "test", "--resume"]),
        ("split.json", {"train": [["甲", "乙", 2]]}, ["split.json: train[0][2]: invalid enum value 2"]),
        ("split.json", {"dev": [["甲", "乙"]]}, ["dev[0]: expected array of length 3"]),
        ("metrics.json", {"global_step": "absent"}, ["metrics.json", "global_step", "--resume"]),
        ("evaluation.json", {"precision": 8}, ["evaluation.json: precision: expected str, got int"]),
    ],
)
def test_the_line_names_file_and_key(own, name, changes, words):
    found = changed(own, name, with_key(own, name, **changes))
    assert isinstance(found, InputError)
    assert all(word in str(found) for word in words), str(found)


def test_an_older_runs_missing_options_have_their_defaults(own):
    options = {"honbun": "h.json", "negaposi": "n.json", "num_train_epochs": 3}
    found, saved = changed(own, "config.json", json.dumps({"config": options}).encode())
    assert (found.head, found.num_train_epochs, saved.fingerprint) == ("pair", 3.0, None)
    assert found.dev_share == 0.0  # not today's default: those runs had no dev part
    assert (found.eval_steps, found.keep_best) == (0, "last")  # and did not evaluate it during the training


@pytest.mark.parametrize("share", [0.0, 0, 0.25, "auto"])
def test_a_saved_dev_share_is_kept(own, share):
    found, _ = changed(own, "config.json", json.dumps({"config": {"dev_share": share}}).encode())
    assert found.dev_share == share


def test_vectors_of_another_width_are_refused(own, tmp_path):
    path = str(tmp_path / "v.npz")
    for vector in (np.ones([2, HIDDEN + 1], np.float32), np.full([2, HIDDEN], np.nan, np.float32)):
        _write_vectors(path, "key", {"name": vector})
        with pytest.raises(InputError, match="v.npz: damaged"):
            read_vectors(path, "key", HIDDEN)


def test_a_history_with_nan_of_an_older_version_is_read(own):
    found = changed(own, "history.json", json.dumps([POINT | {"loss": float("nan")}]).encode())
    assert found[0].loss is None


def test_a_diverged_training_ends_with_a_line(tmp_path):
    model = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(1,))])
    model.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    progress = Progress(2, 1, 1, 0.7, str(tmp_path / "board"), str(tmp_path / "history.json"))
    with pytest.raises(InputError, match="step 1: the loss is nan.*--learning_rate"):
        model.fit(np.array([[np.nan]]), np.array([1]), verbose=0, callbacks=[progress])
    assert [point.loss for point in read_history(str(tmp_path / "history.json"))] == [None]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Saves two checkpoints of a counter, at 7 and at 14; returns their files."""
    folder = RunFolder(str(tmp_path_factory.mktemp("kept")))
    counter = tf.Variable([0.0, 0.0])
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(counter=counter), folder.checkpoints, max_to_keep=2)
    for step in (7, 14):
        counter.assign([step, step])
        manager.save(step)
    files = {path.name: path.read_bytes() for path in tmp_path_factory.getbasetemp().glob("kept*/checkpoints/*")}
    return folder, files


def restored(kept, changes):
    """Returns the counter that is restored from changed files, or the error; and the state that is written then."""
    folder, files = kept
    for name, content in (files | changes).items():
        with open(f"{folder.checkpoints}/{name}", "wb") as file:
            file.write(content)
    counter = tf.Variable([0.0, 0.0])
    checkpoint = tf.train.Checkpoint(counter=counter)
    succeeds_or_explains(lambda: restore_newest(checkpoint, folder, None, True))
    state = tf.train.CheckpointManager(checkpoint, folder.checkpoints, max_to_keep=2)
    return counter.numpy().tolist(), [path.rpartition("/")[2] for path in state.checkpoints]


DATA, INDEX = "data-00000-of-00001", "index"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (14, ["ckpt-7", "ckpt-14"])),
        ({"checkpoint": b"garbage {"}, (14, ["ckpt-7", "ckpt-14"])),
        ({"checkpoint": b"\xff\xfe"}, (14, ["ckpt-7", "ckpt-14"])),
        ({"checkpoint": b'model_checkpoint_path: "ckpt-7"'}, (14, ["ckpt-7", "ckpt-14"])),
        ({f"ckpt-14.{DATA}": b"short"}, (7, ["ckpt-7"])),
        ({f"ckpt-14.{INDEX}": b""}, (7, ["ckpt-7"])),
        ({f"ckpt-7.{INDEX}": b"", f"ckpt-7.{DATA}": b""}, (14, ["ckpt-7", "ckpt-14"])),
    ],
)
def test_the_newest_readable_checkpoint_is_used(kept, changes, expected, capsys):
    step, names = expected
    assert restored(kept, changes) == ([step, step], names)
    assert ("using the checkpoint before it" in capsys.readouterr().out) == (step == 7)


def test_without_a_readable_checkpoint_it_says_how_to_start_over(kept):
    folder, files = kept
    with pytest.raises(InputError, match="train from the beginning, remove .*checkpoints and resume again"):
        for name in files:
            with open(f"{folder.checkpoints}/{name}", "wb") as file:
                file.write(b"")
        restore_newest(tf.train.Checkpoint(counter=tf.Variable([0.0, 0.0])), folder, None, True)


@bounded
@given(st.data())
def test_property_of_changed_checkpoints(kept, data):
    name = data.draw(st.sampled_from(sorted(kept[1])))
    counter, _ = restored(kept, {name: data.draw(mutations(kept[1][name]))})
    assert counter in ([7.0, 7.0], [14.0, 14.0])  # the older checkpoint is complete, whatever happened to the newest


def test_a_start_that_was_killed_can_be_repeated(tmp_path):
    for name in ("in_use.lock", ".keras_negaposi-0123abcd-x_1y2z3w.tmp"):
        (tmp_path / name).write_bytes(b"{")
    check_unused(str(tmp_path))
    (tmp_path / "config.json.mine").write_bytes(b"{")
    with pytest.raises(InputError, match="not empty"):
        check_unused(str(tmp_path))

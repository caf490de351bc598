"""Evaluation of the dev part during the training: what is kept, when it stops, and that a kill changes nothing."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation import metrics
from keras_negaposi.evaluation.bootstrap import McNemar
from keras_negaposi.evaluation.dev_history import DevHistory, DevPoint, read_dev_history
from keras_negaposi.evaluation.metrics import score_records
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.modeling.heads import build
from keras_negaposi.train import main
from keras_negaposi.training import fit, run
from keras_negaposi.training.best_weights import BestWeights
from keras_negaposi.training.callbacks import SaveCheckpoint
from keras_negaposi.training.run_inputs import read_run_inputs

STEPS = 24
OPTIONS = {  # with them, the dev loss falls, but not at every evaluation and not to the end
    "head": "vector",
    "split": "grouped",
    "max_seq_length": 37,
    "train_batch_size": 16,
    "num_train_epochs": 3.0,
    "max_steps": STEPS,
    "learning_rate": 0.01,
    "head_learning_rate": 0.05,
    "save_checkpoints_steps": 7,
    "log_every_steps": 5,
    "length_buckets": 1,
    "precision": "float32",
    "rank_queries": 0,
    "dev_share": 0.2,
    "eval_steps": 4,
}


class Killed(BaseException):
    """Stands for a kill: no code of ours catches it."""


@pytest.fixture
def train(tiny, monkeypatch):
    """Trains, or resumes, and returns the weights that would be scored and exported."""
    exported = []
    monkeypatch.setattr(run, "_export", lambda job, model, records: exported.append(model.get_weights()))
    monkeypatch.setattr(run, "evaluate_finished_run", lambda path: None)

    def call(folder, strategy=None, **more):
        run.run(TrainConfig(**tiny.flags | OPTIONS | more | {"output_dir": str(folder)}), strategy=strategy)
        return exported.pop()

    return call


def history(folder):
    return read_dev_history(str(folder / "dev_history.json"))


def steps(folder):
    return [point.step for point in history(folder).points]


def check_equal(weights, others):
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


def checkpoints(folder, prefix="ckpt"):
    names = (re.fullmatch(rf"{prefix}-(\d+)\.index", path.name) for path in (folder / "checkpoints").iterdir())
    return sorted(int(name[1]) for name in names if name)


def read_weights(model, prefix):
    status = tf.train.Checkpoint(model=model).read(str(prefix))
    status.assert_existing_objects_matched()
    status.expect_partial()  # no message about the optimizer's variables


@pytest.mark.parametrize(
    ("measure", "more"),
    [("loss", {}), ("accuracy", {"head_learning_rate": 0.01, "split": "random", "seed": 1})],
)
def test_the_kept_weights_are_the_best(train, tiny, tmp_path, monkeypatch, measure, more):
    """A checkpoint of every step tells, independently, which the best weights are and what they score."""
    monkeypatch.setattr(fit, "CHECKPOINTS_KEPT", STEPS)
    folder = tmp_path / "run"
    kept = train(folder, keep_best=measure, save_checkpoints_steps=1, **more)
    assert steps(folder) == [0, 4, 8, 12, 16, 20, 24]
    model = build(TrainConfig(**OPTIONS), BertConfig(**tiny.config))
    records = read_records(str(folder / "records"))
    losses, accuracies, weights = {}, {}, {}
    for point in history(folder).points[1:]:
        read_weights(model, folder / f"checkpoints/ckpt-{point.step}")
        scores = score_records(model, records, "dev", TrainConfig().eval_batch_size)
        weights[point.step] = model.get_weights()
        losses[point.step], accuracies[point.step] = scores.losses.mean(), scores.correct.mean()
        assert (point.loss, point.accuracy) == (losses[point.step], accuracies[point.step])
    expected = {
        "loss": min(losses, key=losses.get),
        "accuracy": max(accuracies, key=accuracies.get),  # the first of equals
    }[measure]
    assert history(folder).kept == expected
    check_equal(kept, weights[expected])
    assert checkpoints(folder, "best") == [expected]


@pytest.fixture(scope="module")
def made():
    """Undisturbed runs by their options, each made by the first test that asks for it: weights and folder."""
    return {}


@pytest.fixture
def undisturbed(made, train, tmp_path_factory):
    """Returns the weights and the folder of an undisturbed run, which a test must not change."""

    def find(**more):
        name = repr(more)
        if name not in made:
            folder = tmp_path_factory.mktemp("undisturbed") / "run"
            made[name] = train(folder, **more), folder
        return made[name]

    return find


def test_only_the_dev_part_is_read_and_nothing_is_traced_again(undisturbed, monkeypatch):
    parts, traces = [], []
    read, score = metrics.eval_dataset, BestWeights.score

    def watched(weights):
        scores = score(weights)
        traces.append(weights._copy.predict_function.experimental_get_tracing_count())
        return scores

    with monkeypatch.context() as patched:
        patched.setattr(
            metrics, "eval_dataset", lambda records, part, size: parts.append(part) or read(records, part, size)
        )
        patched.setattr(BestWeights, "score", watched)
        undisturbed(keep_best="last")
    assert set(parts) == {"dev"} and len(parts) == 7
    assert len(traces) == 7 and len(set(traces)) == 1


def test_the_evaluation_does_not_change_the_training(train, undisturbed, tmp_path):
    weights, folder = undisturbed(keep_best="last")
    assert history(folder).kept == STEPS and not checkpoints(folder, "best")
    check_equal(weights, train(tmp_path / "without", eval_steps=0))
    assert not (tmp_path / "without/dev_history.json").exists()
    same, other = ((run / "history.json").read_text() for run in (folder, tmp_path / "without"))
    assert [point["loss"] for point in json.loads(same)] == [point["loss"] for point in json.loads(other)]


def improvements(folder):
    """Steps after the start whose evaluation was better than all before."""
    points = history(folder).points
    return [p.step for i, p in enumerate(points) if i and p.loss < min(before.loss for before in points[:i])]


@pytest.mark.parametrize("owner, name", [(SaveCheckpoint, "save"), (BestWeights, "save")])
def test_killed_while_it_keeps_weights(train, undisturbed, tmp_path, monkeypatch, owner, name):
    """The kill comes before: the checkpoint of the step, the best weights, the deletion of the older ones."""
    weights, expected = undisturbed()
    better = improvements(expected)
    assert len(better) > 1 and better[-1] < STEPS  # otherwise this tests nothing
    original = getattr(owner, name)

    def kill(self, step):
        if step == better[-1]:
            raise Killed
        original(self, step)

    folder = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(owner, name, kill)
        train(folder)
    assert steps(folder)[-1] == better[-1]
    check_equal(train(folder), weights)
    assert (folder / "dev_history.json").read_bytes() == (expected / "dev_history.json").read_bytes()
    files = [sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (folder, expected)]
    assert files[0] == files[1]


def test_killed_in_the_last_evaluation(train, undisturbed, tmp_path, monkeypatch):
    weights, expected = undisturbed()
    evaluated, score = [], BestWeights.score

    def kill(self):
        evaluated.append(self)
        if len(evaluated) > steps(expected).index(STEPS):
            raise Killed
        return score(self)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(BestWeights, "score", kill)
        train(tmp_path / "run")
    check_equal(train(tmp_path / "run"), weights)
    assert history(tmp_path / "run") == history(expected)


def test_a_finished_training_gives_the_best_weights_again(train, undisturbed, capsys):
    weights, folder = undisturbed()
    capsys.readouterr()
    check_equal(train(folder), weights)
    output = capsys.readouterr().out
    assert f"resumed at step {STEPS}" in output and not re.search(r"dev loss \d", output)
    assert f"kept: the weights of step {history(folder).kept}, the best by dev loss" in output


def test_without_readable_best_weights_the_last_are_used(train, undisturbed, tmp_path, capsys):
    last, _ = undisturbed(keep_best="last")
    best, folder = undisturbed()
    again = shutil.copytree(folder, tmp_path / "again")
    kept = history(again).kept
    assert kept < STEPS and any((one != other).any() for one, other in zip(best, last, strict=True))
    file = again / f"checkpoints/best-{kept}.data-00000-of-00001"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    capsys.readouterr()
    check_equal(train(again), last)
    lines = [line for line in capsys.readouterr().out.splitlines() if "cannot be read" in line]
    assert len(lines) == 1 and f"best-{kept}: " in lines[0] and "last step" in lines[0]
    assert history(again).kept == STEPS


def stopping_step(points, patience):
    """The step at which a run with these evaluations stops, computed in another way than by the code."""
    best, waited = np.inf, 0
    for point in points:
        best, waited = (point.loss, 0) if point.loss < best else (best, waited + 1)
        if waited == patience:
            return point.step
    return None


def test_patience(train, undisturbed, tmp_path, capsys):
    _, expected = undisturbed()
    stop = stopping_step(history(expected).points, 2)
    assert stop and stop < STEPS
    capsys.readouterr()
    kept, folder = undisturbed(patience=2)
    assert checkpoints(folder)[-1] == steps(folder)[-1] == stop
    assert f"stopping after step {stop}" in capsys.readouterr().out
    assert history(folder).points == history(expected).up_to(stop).points

    before = (folder / "dev_history.json").read_bytes()
    check_equal(train(folder, patience=2), kept)
    assert "first step done" not in capsys.readouterr().out
    assert checkpoints(folder)[-1] == stop and (folder / "dev_history.json").read_bytes() == before


def test_killed_when_patience_is_exhausted(train, undisturbed, tmp_path, monkeypatch):
    kept, expected = undisturbed(patience=2)
    stop = steps(expected)[-1]
    folder, original = tmp_path / "run", SaveCheckpoint.save

    def kill(self, step):
        if step == stop:
            raise Killed
        original(self, step)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(SaveCheckpoint, "save", kill)
        train(folder, patience=2)
    assert steps(folder)[-1] == stop > checkpoints(folder)[-1]
    check_equal(train(folder, patience=2), kept)
    assert history(folder) == history(expected)


def test_several_steps_per_execution_pass_multiples(train, tmp_path):
    train(tmp_path / "run", steps_per_execution=4, eval_steps=6)
    assert steps(tmp_path / "run") == [0, 8, 12, 20, 24]


def test_an_older_run_is_resumed_as_it_was(train, tiny, tmp_path):
    train(tmp_path / "run", eval_steps=0, max_steps=None)
    path = tmp_path / "run/config.json"
    saved = json.loads(path.read_text())
    for name in ("eval_steps", "keep_best", "patience", "max_steps"):
        del saved["config"][name]
    path.write_text(json.dumps(saved))
    assert main(["--resume", f"--output_dir={tmp_path}/run"]) == 0
    assert not (tmp_path / "run/dev_history.json").exists()
    assert not checkpoints(tmp_path / "run", "best")


def test_max_steps_shortens_the_schedule(tiny, train, tmp_path):
    train(tmp_path / "few", max_steps=9, log_every_steps=1, warmup_proportion=0.0, eval_steps="auto")
    assert steps(tmp_path / "few") == [0, 2, 4, 6, 8, 9]
    points = json.loads((tmp_path / "few/history.json").read_text())
    assert [point["step"] for point in points] == list(range(1, 10))
    assert json.loads((tmp_path / "few/config.json").read_text())["total_steps"] == 9
    rates = [point["learning_rate"] for point in points]
    # It falls to 0 after the last of 9 steps.
    assert rates == pytest.approx([OPTIONS["learning_rate"] * (9 - step) / 9 for step in range(9)])
    read = read_run_inputs(
        TrainConfig(**tiny.flags | OPTIONS | {"max_steps": 1000, "num_train_epochs": 0.5, "output_dir": "unused"})
    )
    assert read.total_steps == int(len(read.inputs.split.parts["train"]) / 16 * 0.5)


def flags(tiny, folder, **more):
    return [f"--{name}={value}" for name, value in (tiny.flags | OPTIONS | more | {"output_dir": folder}).items()]


def test_the_files_and_the_report_of_a_run(tiny, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(flags(tiny, folder)) == 0
    output = capsys.readouterr().out
    found = history(folder)
    kept = found.at(found.kept)
    marked = re.escape(
        f"step {kept.step}/{STEPS}  dev loss {kept.loss:.4f}  dev accuracy {kept.accuracy:.3f}  (best so far)"
    )
    assert re.search(f"^{marked}$", output, re.MULTILINE)
    written = json.loads((folder / "metrics.json").read_text())
    assert written["dev_history"] == {
        "kept_step": kept.step,
        "start": dataclasses.asdict(found.points[0]),
        "kept": dataclasses.asdict(kept),
        "last": dataclasses.asdict(found.points[-1]),
    }
    assert written["global_step"] == kept.step
    test, pairs = kept.against_start, len(found.start_correct)
    assert pairs == len(read_split(str(folder / "split.json"))["dev"])
    assert found.start_correct.count("1") == round(found.points[0].accuracy * pairs)
    assert test.first_alone - test.second_alone == round((kept.accuracy - found.points[0].accuracy) * pairs) > 0
    unproven = [line for line in written["warnings"] if "did not improve the model's accuracy by more than" in line]
    assert len(unproven) == (test.p_value >= 0.05)
    page = (folder / "report.html").read_text()
    assert f"<th>kept (step {kept.step})</th><td>{kept.loss:.4f}</td>" in page
    assert page.count(">dev</text>") == 2 and "Training loss" in page
    model = build(TrainConfig(**OPTIONS), BertConfig(**tiny.config))
    read_weights(model, folder / f"checkpoints/best-{kept.step}")
    exported = {weight.name: weight.numpy() for weight in tf.saved_model.load(str(folder / "saved_model")).weights}
    for weight in model.weights:
        np.testing.assert_array_equal(exported[weight.name], weight.numpy())
    names = {name for name, _ in tf.train.list_variables(str(folder / f"checkpoints/best-{kept.step}"))}
    assert not [name for name in names if "optimizer" in name]

    curves = {}
    for path in Path(folder / "tensorboard/dev").glob("events.out*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                curves.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    assert curves.keys() == {"loss", "accuracy"}
    for name, curve in curves.items():
        assert [step for step, _ in curve] == [point.step for point in found.points]
        np.testing.assert_allclose([value for _, value in curve], [getattr(p, name) for p in found.points], rtol=1e-6)


def test_a_training_that_makes_it_worse_says_so(tiny, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(flags(tiny, folder, learning_rate=1.0, max_steps=4)) == 0
    assert history(folder).kept == 0
    output = capsys.readouterr().out
    assert "kept: the weights of step 0" in output and "the untrained start is kept" in output
    warning = "The training did not improve the model on the dev part"
    assert warning in json.loads((folder / "metrics.json").read_text())["warnings"][0]
    assert warning in (folder / "report.html").read_text()


def test_pairs_gained_and_lost_since_the_start():
    start = np.array([True, False, True, True, False, False, False, False, False])
    better, same = ~start | start, start
    found = DevHistory().with_point(0, 0.7, start).with_point(5, 0.6, same).with_point(9, 0.5, better)
    assert [point.against_start and point.against_start.first_alone for point in found.points] == [None, 0, 6]
    assert found.points[2].against_start == McNemar(6, 0, 2 / 2**6) and found.points[1].against_start.p_value == 1
    kept = dataclasses.replace(found, kept=9)
    assert kept.unproven() is None and dataclasses.replace(found, kept=5).unproven() == McNemar(0, 0, 1.0)
    worse = found.with_point(9, 0.5, ~start)
    assert dataclasses.replace(worse, kept=9).unproven() == McNemar(6, 3, worse.points[2].against_start.p_value)
    assert len(worse.points) == 3 and worse.start_correct == "101100000"
    assert kept.up_to(5) == DevHistory(found.points[:2], None, found.start_correct)
    assert DevHistory((DevPoint(3, 0.5, 0.9),), 3).unproven() is None  # an older run


def test_what_is_better():
    points = [DevPoint(0, 0.7, 0.5), DevPoint(1, None, 0.9), DevPoint(2, 0.7, 0.6), DevPoint(3, 0.8, 0.6)]
    found = DevHistory(tuple(points))
    assert found.best("loss").step == 0 and found.best("accuracy").step == 2
    assert found.without_improvement("loss") == 3 and found.without_improvement("accuracy") == 1
    nothing = DevHistory((points[1],))
    assert nothing.best("loss") is None and nothing.without_improvement("loss") == 1
    assert DevHistory().figures() is None and found.up_to(2).points == tuple(points[:3])

"""Evaluation of the dev part during the training: what is kept, when it stops, and that a kill changes nothing."""

import json
import re
import shutil

import numpy as np
import pytest

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluation import metrics
from keras_negaposi.evaluation.metrics import score_records
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.modeling.heads import build
from keras_negaposi.train import main
from keras_negaposi.training import fit, run
from keras_negaposi.training.best_weights import BestWeights
from keras_negaposi.training.callbacks import SaveCheckpoint
from keras_negaposi.training.run_inputs import read_run_inputs
from tests.helpers.dev_runs import OPTIONS, STEPS, history, read_weights


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


def steps(folder):
    return [point.step for point in history(folder).points]


def check_equal(weights, others):
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


def checkpoints(folder, prefix="ckpt"):
    names = (re.fullmatch(rf"{prefix}-(\d+)\.index", path.name) for path in (folder / "checkpoints").iterdir())
    return sorted(int(name[1]) for name in names if name)


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

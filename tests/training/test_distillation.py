"""Distillation: a run that learns from a finished run in addition to the labels."""

import json

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.training.distillation import add_unlabelled, soft_targets
from keras_negaposi.training.run import run
from tests.helpers.runs import QUICK


@pytest.fixture(scope="module")
def teacher(finished_run, tmp_path_factory):
    """A finished run of ``pair``."""
    return str(finished_run(tmp_path_factory.mktemp("runs") / "pair", **QUICK))


def test_a_teacher_and_its_unlabelled_pairs(teacher, tiny, without_export, tmp_path):
    options = tiny.flags | QUICK | {"head": "vector", "teacher": teacher, "distill_pairs": 40}
    run(TrainConfig(**options, output_dir=str(tmp_path / "run")))
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert len(split["unlabelled"]) == 40
    tested = {title for a, b, _ in split["test"] for title in (a, b)}
    assert not tested & {title for a, b, _ in split["unlabelled"] for title in (a, b)}
    predicted = [float(line) for line in (tmp_path / "run/teacher.txt").read_text().split()]
    assert len(predicted) == len(split["train"]) + 40
    a, b, _ = split["unlabelled"][-1]
    texts = json.loads(open(tiny.flags["honbun"], encoding="utf-8").read())
    assert predicted[-1] == pytest.approx(Scorer(teacher).score([texts[a]], [texts[b]])[0][0], abs=1e-6)
    saved = json.loads((tmp_path / "run/config.json").read_text())
    assert saved["total_steps"] == int((len(split["train"]) + 40) / 32)


def test_the_target_is_between_label_and_teacher(teacher, tiny, tmp_path):
    options = {"head": "vector", "teacher": teacher, "teacher_weight": 0.25, "distill_pairs": 5}
    train = TrainConfig(**tiny.flags | QUICK | options, output_dir=str(tmp_path / "run"))
    inputs = add_unlabelled(read_inputs(train, read_pretrained(train).tokenizer, train.layout), train)
    targets = soft_targets(inputs, train, str(tmp_path / "teacher.txt"))
    predicted = np.array([float(line) for line in (tmp_path / "teacher.txt").read_text().split()])
    labels = np.array([pair.label for pair in inputs.split.parts["train"]])
    count = len(labels)
    np.testing.assert_allclose(targets[:count, 1], 0.75 * labels + 0.25 * predicted[:count], atol=1e-6)
    np.testing.assert_allclose(targets[count:, 1], predicted[count:], atol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    records = prepare(inputs, str(tmp_path / "records"))
    (_, batch), *_ = train_dataset(records, BatchOptions(count + 5), targets).take(1)
    assert sorted(batch.numpy()[:, 1]) == pytest.approx(sorted(targets[:, 1]))


def test_a_teacher_trained_on_test_pairs_is_rejected(teacher, tiny, tmp_path):
    options = tiny.flags | QUICK | {"head": "vector", "seed": 1, "teacher": teacher}
    with pytest.raises(InputError, match="trained on .* dev and test pairs; train the teacher with the same --split"):
        run(TrainConfig(**options, output_dir=str(tmp_path / "run")))
    with pytest.raises(InputError, match="not the folder of a finished run"):
        run(TrainConfig(**options | {"teacher": str(tmp_path)}, output_dir=str(tmp_path / "run")))
    with pytest.raises(InputError, match="--distill_pairs 5: needs a teacher to score these pairs"):
        run(TrainConfig(**options | {"teacher": None, "distill_pairs": 5}, output_dir=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()

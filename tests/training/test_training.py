"""Whole training runs with a tiny BERT: the run's folder, the figures, seeds and resuming."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from sklearn.metrics import accuracy_score, confusion_matrix

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.source import open_weights
from keras_negaposi.config import HeadConfig, TrainConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.metrics import Scores, chance_loss, evaluate, score_records
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.modeling.common import encoder_of, float32_copy
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.precision import precision
from keras_negaposi.train import main
from keras_negaposi.training import run
from keras_negaposi.training.optimizer import BertAdam

EPOCHS = 1.7


def run_flags(tiny, folder, **more):
    flags = tiny.flags | {"output_dir": str(folder), "max_seq_length": 37, "train_batch_size": 16}
    flags |= {"num_train_epochs": EPOCHS, "learning_rate": 0.003, "log_every_steps": 5}
    flags |= {"precision": "float32", "rank_queries": 0} | more
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    assert main(run_flags(tiny, folder, dev_share=0.1)) == 0
    return folder


def test_the_run_folder_contains_all_files(finished):
    for name in ("eval_results.txt", "metrics.json", "config.json", "report.html", "split.json", "scores_test.tsv"):
        assert (finished / name).stat().st_size, name
    assert (finished / "saved_model/saved_model.pb").exists()
    assert not list(finished.rglob("*.tmp*"))


def test_eval_results_have_the_format_of_run_classifier(finished):
    lines = (finished / "eval_results.txt").read_text().splitlines()
    assert [line.split(" = ")[0] for line in lines] == ["eval_accuracy", "eval_loss", "global_step", "loss"]
    values = {name: float(value) for name, value in (line.split(" = ") for line in lines)}
    counts = {part: len(rows) for part, rows in json.loads((finished / "split.json").read_text()).items()}
    dev = json.loads((finished / "dev_history.json").read_text())
    assert dev["points"][-1]["step"] == int(counts["train"] / 16 * EPOCHS)
    assert values["global_step"] == dev["kept"]
    metrics = json.loads((finished / "metrics.json").read_text())
    assert all(metrics[name] == values[name] for name in values)
    assert metrics["pairs"] == counts["test"] and metrics["dev"]["pairs"] == counts["dev"]


def test_figures_agree_with_the_scores_file(finished):
    rows = [line.split("\t") for line in (finished / "scores_test.tsv").read_text().splitlines()[1:]]
    split = json.loads((finished / "split.json").read_text())["test"]
    assert [[a, b, int(label)] for a, b, label, _, _ in rows] == split  # every pair once, in order
    labels, predictions = ([int(row[column]) for row in rows] for column in (2, 4))
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["eval_accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert metrics["confusion"] == confusion_matrix(labels, predictions, labels=[0, 1]).tolist()
    right = [float(p) if label else 1 - float(p) for label, p in zip(labels, (row[3] for row in rows), strict=True)]
    assert metrics["eval_loss"] == pytest.approx(-np.log(right).mean(), abs=1e-4)


def test_tensorboard_contains_the_curves_and_the_graph(finished):
    tags, graphs = set(), 0
    for path in (finished / "tensorboard").rglob("events.out*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
            graphs += bool(event.graph_def)
            graphs += any(
                value.metadata.plugin_data.plugin_name == "graph_keras_model" for value in event.summary.value
            )
    assert {"loss", "accuracy", "learning_rate", "pairs_per_second"} <= tags
    assert graphs


def test_the_report_is_one_self_contained_file(finished):
    page = (finished / "report.html").read_text()
    accuracy = json.loads((finished / "metrics.json").read_text())["eval_accuracy"]
    assert f"{accuracy:.1%}".replace("%", " %") in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)


def test_config_is_saved_with_versions_and_fingerprints(tiny, finished):
    saved = json.loads((finished / "config.json").read_text())
    assert TrainConfig(**saved["config"]).learning_rate == 0.003
    assert saved["packages"]["tensorflow"].startswith("2.20") and saved["fingerprint"] and saved["command"]
    weights = open_weights(tiny.flags["init_checkpoint"])
    assert saved["init_checkpoint_fingerprint"] == weights.fingerprint()


def test_a_run_that_does_not_learn_gets_a_hint(tiny, without_export, tmp_path, capsys):
    assert main(run_flags(tiny, tmp_path / "run", learning_rate=1e-9)) == 0
    assert capsys.readouterr().out.count("still at chance (loss 0.6931); if it stays there, halve --learning_rate") == 1


def test_chance_loss():
    pairs = [Pair("a", str(number), int(number == 0)) for number in range(4)]
    assert chance_loss(pairs) == pytest.approx(-(np.log(0.25) + 3 * np.log(0.75)) / 4)


def test_the_seed_determines_the_result(finished, tiny, without_export, tmp_path):
    """The figures follow from the scores; that they do not change either is tested in test_evaluate_run.py."""
    for seed in (0, 1):
        assert main(run_flags(tiny, tmp_path / str(seed), dev_share=0.1, seed=seed)) == 0
    for name in ("calibration.json", "scores_test.tsv"):
        same, other = ((tmp_path / str(seed) / name).read_text() for seed in (0, 1))
        assert same == (finished / name).read_text() != other


def test_resume_rejects_other_options_and_other_data(finished, tiny, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    before = (copy / "metrics.json").read_text()
    assert main(["--resume", "--output_dir", str(copy), "--learning_rate", "0.5"]) == 2
    assert "--learning_rate 0.5" in capsys.readouterr().err
    saved = json.loads((copy / "config.json").read_text())
    changed = tmp_path / "changed.json"
    changed.write_text(open(tiny.flags["negaposi"]).read() + " ")
    saved["config"]["negaposi"] = str(changed)
    (copy / "config.json").write_text(json.dumps(saved))
    assert main(["--resume", "--output_dir", str(copy)]) == 2
    assert "changed.json: has changed since the run" in capsys.readouterr().err
    assert (copy / "metrics.json").read_text() == before


def test_records_from_prepare_are_reused(tiny, without_export, tmp_path, capsys):
    from keras_negaposi.prepare import main as prepare

    names = ("honbun", "negaposi", "model_file", "vocab_file")
    assert (
        prepare([*(f"--{n}={tiny.flags[n]}" for n in names), "--max_seq_length=37", f"--output_dir={tmp_path}/r"]) == 0
    )
    flags = run_flags(tiny, tmp_path / "run", records=tmp_path / "r", num_train_epochs=0.2)
    assert main(flags) == 0
    assert f"reused: records in {tmp_path}/r" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_scores_do_not_depend_on_the_batch_size(finished, tiny, batch_size):
    records = read_records(str(finished / "records"))
    model = build(HeadConfig(), BertConfig(**tiny.config))
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        scores = score_records(model, records, "test", batch_size)
    assert evaluate(scores, 0).pairs == 60
    whole = score_records(model, records, "test", 60)
    np.testing.assert_allclose(scores.probabilities, whole.probabilities, atol=1e-6)
    np.testing.assert_array_equal(scores.labels, whole.labels)


def test_a_strategy_object_can_be_given(tiny, without_export, tmp_path):
    config = TrainConfig(**tiny.flags, output_dir=str(tmp_path / "run"), num_train_epochs=0.2, max_seq_length=12)
    config = dataclasses.replace(config, eval_batch_size=3, precision="float32", rank_queries=0)
    run.run(config, strategy=tf.distribute.OneDeviceStrategy("/cpu:0"))
    assert len((tmp_path / "run/scores_test.tsv").read_text().splitlines()) == 1 + 60


def test_another_head_can_be_given(tiny, without_evaluation, tmp_path):
    def deeper(pooled, config):
        hidden = tf_keras.layers.Dense(5, activation="relu", name="mine")(pooled)
        return tf_keras.layers.Dense(2, activation="softmax", dtype=tf.float32)(hidden)

    config = TrainConfig(**tiny.flags, output_dir=str(tmp_path / "run"), num_train_epochs=0.2, max_seq_length=12)
    run.run(dataclasses.replace(config, rank_queries=0), head=deeper)
    loaded = tf.saved_model.load(str(tmp_path / "run/saved_model"))
    assert [variable.shape[1] for variable in loaded.weights if variable.name == "mine/kernel:0"] == [5]


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_one_step_updates_every_weight(tiny, name):
    tf.keras.utils.set_random_seed(0)
    config = BertConfig(**tiny.config)
    with precision(name):
        model = build(HeadConfig(), config)
    assert all(variable.dtype == tf.float32 for variable in model.variables)
    model.compile(BertAdam(0.01), tf_keras.losses.SparseCategoricalCrossentropy())
    before = [variable.numpy() for variable in model.variables]
    shape = (4, config.max_position_embeddings)
    rng = np.random.default_rng(0)
    inputs = {
        "input_word_ids": rng.integers(0, config.vocab_size, shape).astype(np.int32),
        "input_mask": np.ones(shape, np.int32),
        "input_type_ids": rng.integers(0, 2, shape).astype(np.int32),
    }
    model.train_on_batch(inputs, np.array([0, 1, 1, 0]))
    for variable, value in zip(model.variables, before, strict=True):
        # A key's bias adds the same value to all scores of a query; the softmax cancels it, so its gradient is zero.
        if not variable.name.endswith("key/bias:0"):
            assert np.abs(variable.numpy() - value).max() > 0, variable.name


def test_the_float32_copy_has_the_same_weights(tiny):
    config = BertConfig(**tiny.config)
    with precision("bfloat16"):
        model = build(HeadConfig(), config)
    copy = float32_copy(model, lambda: build(HeadConfig(), config))
    assert encoder_of(copy).dtype_policy.name == "float32"
    for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_loss_is_the_mean_of_batch_means():
    scores = Scores(np.array([1, 1, 0]), np.array([0.5, 0.5, 0.75], np.float32), batch_size=2)
    result = evaluate(scores, global_step=3)
    half, quarter = np.log(2), np.log(4)
    assert result.eval_loss == pytest.approx((2 * half + quarter) / 3)
    assert result.loss == pytest.approx((half + quarter) / 2)
    assert result.eval_accuracy == 0.0  # 0.5 is not above the threshold


@pytest.mark.shared
@pytest.mark.slow
def test_real_pairs_and_a_real_checkpoint(shared, tmp_path, capsys):
    """Tests only that everything fits together: four layers learn nothing in a few steps."""
    rows = json.loads((shared / "data/slides/negaposi.json").read_text(encoding="utf-8"))
    (tmp_path / "negaposi.json").write_text(json.dumps(rows[:240]))
    flags = {
        "honbun": shared / "data/slides/honbun_data.json",
        "negaposi": tmp_path / "negaposi.json",
        "init_checkpoint": shared / "checkpoints/ja-e5-small-l4/model.ckpt-1400000.index",
        "output_dir": tmp_path / "run",
        "max_seq_length": 64,
        "rank_queries": 5,
        "num_train_epochs": 1,
    }
    assert main([f"--{name}={value}" for name, value in flags.items()]) == 0
    assert "180 pairs" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["pairs"] == 60 and metrics["global_step"] == 5
    history = json.loads((tmp_path / "run/history.json").read_text())
    assert history[-1]["loss"] == pytest.approx(np.log(2), abs=0.1)

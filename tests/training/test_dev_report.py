"""What a run says about its dev evaluations: files, report, TensorBoard and warnings."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.splits import read_split
from keras_negaposi.modeling.heads import build
from keras_negaposi.train import main
from tests.helpers.dev_runs import OPTIONS, STEPS, history, read_weights


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

"""What TensorBoard shows of a run, read by its own reader."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.util.tensor_util import make_ndarray

from keras_negaposi.evaluation.bootstrap import METRICS
from keras_negaposi.reporting.tensorboard import HPARAMS
from tests.helpers.runs import HYBRID


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("tensorboard") / "run", **HYBRID)


def opened(run, part):
    return EventAccumulator(str(run / "tensorboard" / part), size_guidance={"tensors": 0}).Reload()


def curves(events):
    """Steps and values by tag, of everything that TensorBoard draws as a curve."""
    tags = [tag for tag in events.Tags()["tensors"] if plugin(events, tag) == "scalars"]
    return {tag: [(each.step, float(make_ndarray(each.tensor_proto))) for each in events.Tensors(tag)] for tag in tags}


def plugin(events, tag):
    return events.SummaryMetadata(tag).plugin_data.plugin_name


def text(events, tag):
    (event,) = events.Tensors(tag)
    return make_ndarray(event.tensor_proto).item().decode()


def test_curves_of_training_and_dev_part_have_the_same_names(run):
    train, dev = (curves(opened(run, part)) for part in ("train", "dev"))
    history = json.loads((run / "dev_history.json").read_text())["points"]
    assert train.keys() == {"loss", "accuracy", "learning_rate", "pairs_per_second"}  # none by epoch
    assert dev.keys() == {"loss", "accuracy"}
    assert [step for step, _ in dev["loss"]] == [point["step"] for point in history]
    assert [value for _, value in dev["loss"]] == pytest.approx([point["loss"] for point in history])


def test_single_figures_are_those_that_hparams_needs(run):
    found = curves(opened(run, "test"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert found.keys() == {"test/loss", *(f"test/{name}" for name in METRICS)}
    assert found["test/accuracy"] == [(metrics["global_step"], pytest.approx(metrics["eval_accuracy"]))]


def test_options_and_results_are_text(run):
    events = opened(run, "test")
    assert plugin(events, "options") == plugin(events, "results") == "text"
    saved = json.loads((run / "config.json").read_text())["config"]
    assert f"| max_seq_length | `{saved['max_seq_length']}` |" in text(events, "options")
    assert f"| honbun | `{saved['honbun']}` |" in text(events, "options")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["verdict"] in text(events, "results") and metrics["warnings"][0] in text(events, "results")


def test_hyperparameters_tell_seeds_and_heads_apart(run):
    summary = opened(run, "test")
    content = summary.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    assert set(values) == set(HPARAMS)
    assert values["head"].string_value == "pair" and values["seed"].number_value == 0
    content = summary.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    assert {info.name for info in experiment.hparam_infos} == set(HPARAMS)
    assert {info.name.tag for info in experiment.metric_infos} == {f"test/{name}" for name in METRICS}

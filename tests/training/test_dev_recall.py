"""Recall on the dev part: what it is, that pages which might come next do not count, and what it keeps."""

import numpy as np
import pytest

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.splits import read_split
from keras_negaposi.input_pipeline.datasets import eval_dataset
from keras_negaposi.input_pipeline.feature_spec import INDEX, side_of
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.modeling.heads import build
from keras_negaposi.training import fit, run
from keras_negaposi.training.dev_recall import RECALL_AT, recall_at
from tests.helpers.dev_runs import OPTIONS, STEPS, history, read_weights


def test_recall_by_hand():
    scores = np.array([[0.5, 0.9, 0.1, 0.5], [0.2, 0.7, 0.6, 0.1], [0.8, 0.1, 0.3, 0.9], [0.0, 0.0, 0.0, 0.0]])
    labels = np.array([1, 1, 1, 0])
    apart = np.arange(8).reshape(4, 2)
    # The ranks are 3 (a tie counts against the true page), 1 and 3; the last row is no positive pair.
    assert [recall_at(count, scores, labels, apart) for count in (1, 2, 3)] == [1 / 3, 1 / 3, 1]
    # B of pair 1 is a page of A's document in pair 0, and B of pair 3 one of B's document in pair 2.
    related = np.array([[0, 1], [2, 0], [4, 5], [6, 5]])
    assert [recall_at(count, scores, labels, related) for count in (1, 2, 3)] == [1 / 3, 1, 1]


def recall_alone(model, records, pairs, documents):
    """The same figure in another way: each pair of texts is encoded and scored by itself."""
    rows = {}
    for features in eval_dataset(records, "dev", 1):
        rows[int(features[INDEX][0])] = features
    a, b = ([encode(side_of(rows[row], side)) for row in range(len(pairs))] for encode, side in encoders(model))
    found = []
    for row, pair in enumerate(pairs):
        if pair.label:
            own, better = model.score(a[row], b[row])[0, 1], 0
            for other, candidate in enumerate(pairs):
                if documents(candidate.b) not in (documents(pair.a), documents(pair.b)):
                    better += int(model.score(a[row], b[other])[0, 1] >= own)
            found.append(better < RECALL_AT)
    return np.mean(found)


def encoders(model):
    return (model.encode_a, "a"), (model.encode_b, "b")


@pytest.mark.parametrize(
    ("head", "more"),
    [("vector", {"loss": "contrastive"}), ("maxsim", {"keep_best": "recall"})],
)
def test_the_kept_weights_are_those_with_the_highest_recall(tiny, tmp_path, monkeypatch, head, more, capsys):
    exported = []
    monkeypatch.setattr(run, "_export", lambda job, model, records: exported.append(model.get_weights()))
    monkeypatch.setattr(run, "evaluate_finished_run", lambda path: None)
    monkeypatch.setattr(fit, "CHECKPOINTS_KEPT", STEPS)
    options = OPTIONS | {"save_checkpoints_steps": 1, "max_steps": 12, "head": head, "learning_rate": 0.003} | more
    run.run(TrainConfig(**tiny.flags | options | {"output_dir": str(tmp_path / "run")}))
    output, points = capsys.readouterr().out, history(tmp_path / "run").points
    model = build(TrainConfig(**options), BertConfig(**tiny.config))
    records, documents = read_records(str(tmp_path / "run/records")), Documents(TrainConfig().group_pattern)
    pairs = list(read_split(str(tmp_path / "run/split.json"))["dev"])
    weights = {}
    for point in points[1:]:
        read_weights(model, tmp_path / f"run/checkpoints/ckpt-{point.step}")
        weights[point.step] = model.get_weights()
        assert point.recall == pytest.approx(recall_alone(model, records, pairs, documents), abs=1e-6)
        line = f"step {point.step}/12  dev loss {point.loss:.4f}  dev accuracy {point.accuracy:.3f}"
        assert f"{line}  dev R@10 {point.recall:.3f}" in output
    recalls = [point.recall for point in points]
    assert len(set(recalls)) > 1
    kept = history(tmp_path / "run").kept
    assert kept == points[int(np.argmax(recalls))].step
    if kept:
        for one, other in zip(exported[0], weights[kept], strict=True):
            np.testing.assert_array_equal(one, other)
    assert all((point.against_start is None) == ("loss" in more) for point in points[1:])

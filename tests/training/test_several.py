"""Several runs from one command: several seeds and both splits."""

import json

import numpy as np
import pytest

from keras_negaposi.config import TrainConfig
from keras_negaposi.train import main
from keras_negaposi.training.multi_run import are_several, describe, summarize, variants

FLAGS = {"num_train_epochs": 0.1, "train_batch_size": 8, "max_seq_length": 20, "precision": "float32"}


def test_variants_share_the_split_and_differ_in_the_seed():
    config = TrainConfig(split="both", seeds=3, seed=5, output_dir="x")
    found = variants(config)
    assert list(found) == [f"{split}-seed{seed}" for split in ("random", "grouped") for seed in (5, 6, 7)]
    assert {variant.seed_of_split for variant in found.values()} == {5}
    assert [variant.seed for variant in found.values()] == [5, 6, 7] * 2
    assert not any(map(are_several, found.values())) and are_several(config)
    assert not are_several(TrainConfig())


@pytest.mark.slow
def test_both_splits_two_seeds_and_resuming_the_rest(tiny, tmp_path, capsys):
    shared = {"embedding_cache": tmp_path / "vectors.npz"}
    flags = [f"--{name}={value}" for name, value in (tiny.flags | FLAGS | shared).items()]
    output = f"--output_dir={tmp_path}/runs"
    assert main([*flags, "--split=both", "--seeds=2", "--rank_queries=0", output]) == 0
    summary = json.loads((tmp_path / "runs/summary.json").read_text())
    assert summary.keys() == {"random", "grouped"}
    for split, found in summary.items():
        accuracies = [json.loads((tmp_path / f"runs/{split}-seed{n}/metrics.json").read_text()) for n in (0, 1)]
        assert found["accuracy"] == [metrics["eval_accuracy"] for metrics in accuracies]
        assert found["mean"] == pytest.approx(np.mean(found["accuracy"]))
        assert found["standard_deviation"] == pytest.approx(np.std(found["accuracy"], ddof=1))
        splits = [(tmp_path / f"runs/{split}-seed{n}/split.json").read_text() for n in (0, 1)]
        assert splits[0] == splits[1]
    assert "On unseen documents the accuracy is" in capsys.readouterr().out

    (tmp_path / "runs/grouped-seed1/report.html").unlink()  # as if it had been killed before the end
    kept = (tmp_path / "runs/random-seed0/saved_model/saved_model.pb").stat().st_mtime
    assert main(["--resume", output]) == 0
    assert json.loads((tmp_path / "runs/summary.json").read_text()) == summary
    assert (tmp_path / "runs/random-seed0/saved_model/saved_model.pb").stat().st_mtime == kept


def figures(**given):
    """Figures of the runs with one kind of split."""
    return {"mean": 0.9, "standard_deviation": None, "accuracy": [0.9], "documents_seen": 0.0, "hybrid": False} | given


@pytest.mark.parametrize("random, grouped", [(True, False), (False, True)])
def test_a_difference_between_a_hybrid_and_a_model_alone_is_named(random, grouped):
    lines = describe({"random": figures(hybrid=random), "grouped": figures(hybrid=grouped)})
    assert f"Only the runs with the {'random' if random else 'grouped'} split are hybrid" in lines
    for both in (True, False):
        assert "hybrid" not in describe({"random": figures(hybrid=both), "grouped": figures(hybrid=both)})


def test_one_seed_has_no_deviation():
    lines = describe(
        {
            "random": figures(mean=0.95, accuracy=[0.95], documents_seen=0.4),
            "grouped": figures(mean=0.9, accuracy=[0.89, 0.91], standard_deviation=0.01),
        }
    )
    assert "95.00% over 1 runs\n" in lines and "standard deviation 1.00%" in lines
    assert "-5.00% compared with the random split, where 40.0%" in lines
    assert summarize([]) == {}

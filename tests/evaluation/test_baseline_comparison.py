"""Which baselines a run did not beat, read from its metrics.json."""

import json

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.evaluation.baseline_comparison import is_beaten, unbeaten_baselines


def write(folder, model_alone=None, **p_values):
    """Writes figures in which the model is ahead of each baseline, with the given p."""
    names = {"cosine": "TF-IDF cosine", "probe": "frozen encoder", "sides": "A only", "both": "frozen + lexical"}
    baselines = {
        names[name]: {"accuracy": {"value": 0.8}, "mcnemar": {"first_alone": 9, "second_alone": 2, "p_value": p}}
        for name, p in p_values.items()
    }
    contributions = None if model_alone is None else {"trained model": {"accuracy": {"value": model_alone}}}
    content = {"baselines": baselines, "contributions": contributions, "schema": 1}
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("figures", "wanted"),
    [
        ({"cosine": 0.01, "probe": 0.04}, []),
        ({"cosine": 0.01, "probe": 0.05}, ["frozen encoder"]),
        ({"cosine": 0.01, "both": 0.2}, ["frozen + lexical"]),
        ({"cosine": 0.5, "sides": 0.9}, ["TF-IDF cosine"]),  # the sides reveal leaks, they are no opponents
        ({"cosine": 0.01, "model_alone": 0.79}, []),  # a hybrid is compared as a whole, because an index uses all of it
        ({}, []),
    ],
)
def test_unbeaten_baselines(tmp_path, figures, wanted):
    assert unbeaten_baselines(write(tmp_path, **figures)) == wanted


def test_only_a_better_classifier_beats():
    assert is_beaten(20, 5, 0.01) and not is_beaten(5, 20, 0.01) and not is_beaten(20, 5, 0.05)


def test_figures_of_an_older_version_and_none_at_all(tmp_path):
    assert unbeaten_baselines(str(tmp_path)) == []
    (tmp_path / "metrics.json").write_text('{"eval_accuracy": 0.5}')
    assert unbeaten_baselines(str(tmp_path)) == []


def test_damaged_figures_are_explained(tmp_path):
    (tmp_path / "metrics.json").write_text('{"baselines": {"TF-IDF cosine": 3}}')
    with pytest.raises(InputError, match="metrics.json: baselines"):
        unbeaten_baselines(str(tmp_path))

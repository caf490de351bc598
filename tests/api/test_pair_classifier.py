"""`PairClassifier` is a scikit-learn classifier, and its state is a run."""

import copy
import gc
import json
import os
import pickle
import signal

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_validate

from checkpoints_tools.common.errors import InputError
from keras_negaposi import Index, PairClassifier, Scorer
from keras_negaposi.api.parameters import OPTIONS, given_options, parameters_of
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.training.checkpoints import has_checkpoint


@pytest.fixture(scope="module")
def table(corpus, pair_rows):
    rows = [(corpus[a], corpus[b], label, a.split(",")[0]) for a, b, label in pair_rows]
    return pandas.DataFrame(rows, columns=["text_a", "text_b", "label", "group"])


@pytest.fixture(scope="module")
def pairs(table):
    return list(zip(table["text_a"], table["text_b"], strict=True))[:40]


@pytest.fixture(scope="module")
def unfitted(tiny):
    options = {"max_steps": 2, "embedded_pairs": 20, "rank_queries": 0}
    return PairClassifier(str(tiny.folder), head="vector", max_seq_length=32, test_share=0.3, options=options)


@pytest.fixture(scope="module")
def calls():
    """Calls of `progress`."""
    return []


@pytest.fixture(scope="module")
def validated(unfitted, table, calls):
    """The result of a cross-validation of pairs that are no table."""
    model = clone(unfitted).set_params(progress=lambda *call: calls.append(call))
    pairs = list(zip(table["text_a"], table["text_b"], strict=True))
    groups = {"cv": GroupKFold(2), "groups": table["group"], "params": {"groups": table["group"]}}
    return cross_validate(
        model, pairs, table["label"], **groups, scoring="roc_auc", error_score="raise", return_estimator=True
    )


@pytest.fixture(scope="module")
def model(validated):
    return validated["estimator"][0]


def test_cross_validation_by_group(validated):
    assert validated["test_score"].shape == (2,) and np.isfinite(validated["test_score"]).all()


def test_predictions(model, pairs):
    probabilities = model.predict_proba(pairs)
    assert probabilities.shape == (40, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.isin(model.predict(pairs), model.classes_).all()
    assert model.predict_proba([]).shape == (0, 2) and model.predict([]).shape == (0,)


def test_predictions_are_those_of_the_run(model, pairs):
    probabilities, labels = Scorer(model.run_folder_).score(*zip(*pairs, strict=True))
    assert np.allclose(model.predict_proba(pairs)[:, 1], probabilities, atol=1e-6)
    assert (model.predict(pairs) == labels).all()


def test_the_score_is_the_accuracy(model, table):
    accuracy = float((model.predict(table) == table["label"]).mean())
    assert model.score(table) == model.score(table, table["label"]) == accuracy
    assert model.score(table, 1 - table["label"]) == pytest.approx(1 - accuracy)


def test_groups_are_documents_that_stay_together(model, table):
    config = saved_options(model.run_folder_)
    assert config.split == "grouped" and config.test_share == 0.3
    parts = read_split(RunFolder(model.run_folder_).split)
    train, test = ({pair.a.split(",")[0] for pair in parts[name]} for name in ("train", "test"))
    assert train and test and not train & test and train | test <= set(table["group"])


def test_an_evaluation_has_intervals(model, table):
    result = model.evaluate(pandas.concat([table, table]))
    assert result.pairs == len(table.drop_duplicates(["text_a", "text_b", "group"]))
    for figure in (result.accuracy, result.roc_auc, result.log_loss):
        assert figure.low < figure.value < figure.high
    assert str(result).startswith(f"{result.pairs} pairs: accuracy ")
    by_text = model.evaluate(table.drop(columns="group"))
    assert by_text.accuracy.value == pytest.approx(result.accuracy.value, abs=0.02)
    assert by_text.accuracy.low != result.accuracy.low


def test_without_a_test_part_all_pairs_are_trained_on_and_nothing_is_measured(unfitted, table, tmp_path, capsys):
    run = tmp_path / "run"
    model = clone(unfitted).set_params(test_share=0, options={"max_steps": 2}, output_dir=str(run)).fit(table)
    folder = RunFolder(str(run))
    assert {name: len(part) for name, part in read_split(folder.split).items()} == {"train": len(table)}
    assert model.verdict_.startswith("not measured: no pair was held out")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"]["level"] == "not measured" and metrics["warnings"] == [] and "eval_accuracy" not in metrics
    model.report(str(tmp_path / "report.html"))
    assert "no pair was held out" in (tmp_path / "report.html").read_text()
    left_out = (folder.eval_results, folder.classification_report, folder.scores("test"), folder.card)
    assert not [path for path in left_out if os.path.exists(path)]
    assert model.evaluate(table).pairs and PairClassifier.load(str(run)).test_share == 0
    # The commands
    model.save(str(tmp_path / "copy"))
    capsys.readouterr()
    assert evaluate([str(run)]) == 0 and evaluate([str(run), "--fail_on_warning"]) == 1
    assert "measure it   python -m keras_negaposi.evaluate" in capsys.readouterr().out
    for more in (["--precision", "int8"], [str(tmp_path / "copy"), "--compare", str(tmp_path / "c.html")]):
        assert evaluate([str(run), *more]) == 2
        assert "has no test part (--test_share 0)" in capsys.readouterr().err


def test_the_report_is_the_runs(model, tmp_path):
    model.report(str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert model.verdict_[:20] in page


def test_a_saved_model_is_loaded_with_its_parameters(model, pairs, tmp_path):
    model.save(str(tmp_path / "run"))
    loaded = PairClassifier.load(str(tmp_path / "run"))
    assert loaded.run_folder_ == str(tmp_path / "run")
    assert (loaded.predict_proba(pairs) == model.predict_proba(pairs)).all()
    assert (loaded.head, loaded.test_share, loaded.options["max_steps"]) == ("vector", 0.3, 2)
    ours, before = (given_options(each.get_params()) for each in (loaded, PairClassifier.load(model.run_folder_)))
    assert ours == before
    assert (pickle.loads(pickle.dumps(loaded)).predict_proba(pairs) == model.predict_proba(pairs)).all()
    with pytest.raises(InputError, match="not empty"):
        model.save(str(tmp_path / "run"))


def test_an_interrupted_save_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        model.save(str(tmp_path / "run"))
    assert not os.listdir(tmp_path)


def test_copies_share_the_temporary_run(model, pairs, unfitted):
    expected = model.predict_proba(pairs)
    assert (copy.deepcopy(model).predict_proba(pairs) == expected).all()
    silent = copy.copy(model).set_params(progress=None)
    with pytest.raises(InputError, match="save it"):
        pickle.dumps(silent)


def test_the_run_stays_as_long_as_an_index_needs_it(unfitted, model, corpus):
    again = copy.deepcopy(model)
    index = Index.build(again, corpus)
    del again
    gc.collect()
    text = corpus["doc03,001"]
    found = index.suggest(text, top=5)
    assert len(found) == 5 and text not in {suggestion.text for suggestion in found}


def test_progress_is_reported(model, calls):
    assert {"training", "tokenizing the texts"} <= {what for *_, what in calls}
    assert [(done, total) for done, total, what in calls if what == "training"] == [(1, 2), (2, 2)] * 2


def test_nothing_works_before_fit(unfitted, pairs, tmp_path):
    for call in (unfitted.predict, unfitted.predict_proba, unfitted.evaluate, unfitted.score):
        with pytest.raises(NotFittedError):
            call({"text_a": ["あ"], "text_b": ["い"], "label": [1]})
    for call in (unfitted.report, unfitted.save):
        with pytest.raises(NotFittedError):
            call(str(tmp_path / "x"))


@pytest.mark.slow
def test_another_folder_and_pairs_without_groups(unfitted, table, tmp_path):
    model = clone(unfitted).set_params(output_dir=str(tmp_path / "run"), recipe="none")
    model.fit(list(zip(table["text_a"], table["text_b"], strict=True)), table["label"])
    assert model.run_folder_ == str(tmp_path / "run")
    assert saved_options(model.run_folder_).split == "random"
    with pytest.raises(InputError, match="not empty"):
        model.fit(table)
    again = pickle.loads(pickle.dumps(model))
    del model
    gc.collect()
    assert again.predict([("あ", "い")]).shape == (1,)


@pytest.mark.slow
def test_an_interrupted_fit_can_be_resumed_by_the_command(unfitted, table, tmp_path):
    def interrupt(done, total, what):
        if (done, what) == (1, "training"):
            os.kill(os.getpid(), signal.SIGINT)

    model = clone(unfitted).set_params(output_dir=str(tmp_path / "run"), progress=interrupt, options={"max_steps": 3})
    with pytest.raises(KeyboardInterrupt, match="stopped at step 2, checkpoint saved"):
        model.fit(table)
    with pytest.raises(NotFittedError):
        model.predict([("あ", "い")])
    config = saved_options(str(tmp_path / "run"))
    assert os.path.exists(config.honbun) and has_checkpoint(RunFolder(str(tmp_path / "run")))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"head": "nothing"}, "--head"),
        ({"test_share": 0.005}, "--test_share 0.005"),
        ({"test_share": 0, "options": {"rank_queries": 5}}, "--rank_queries: has no effect with --test_share 0"),
        ({"learning_rate": "fast"}, "--learning_rate"),
        ({"options": {"maximal_steps": 2}}, 'options: "maximal_steps" cannot be given here; give names'),
        ({"options": {"init_checkpoint": "x"}}, "give the parameter bert"),
        ({"options": {"seeds": 2}}, '"seeds" cannot be given'),
        ({"bert": "nowhere"}, "nowhere"),
        ({"options": {"tie_projections": True}, "head": "pair"}, "--tie_projections: has no effect"),
    ],
)
def test_parameters_that_cannot_be_used(unfitted, table, tmp_path, parameters, message):
    model = clone(unfitted).set_params(**parameters, output_dir=str(tmp_path / "run"))
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(table)
    assert isinstance(caught.value, InputError) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(label=table["label"] * 2), "label 2"),
        (lambda table: table.assign(label=table["label"] / 3), "label 0.33"),
        (lambda table: table.assign(label=1), "every label is 1"),
        (lambda table: table[:0], "no pairs"),
        (lambda table: table.drop(columns="label"), "no labels"),
        (lambda table: table.assign(group=[None, *table["group"][1:]]), "row"),
    ],
)
def test_tables_that_cannot_be_used(unfitted, table, change, message):
    with pytest.raises(InputError, match=message) as caught:
        clone(unfitted).fit(change(table))
    assert "\n" not in str(caught.value)


def test_parameters_and_options_are_the_same():
    parameters = PairClassifier("bert").get_params()
    assert parameters.keys() - OPTIONS.keys() == {"options", "progress", "verbose"}


def test_numbers_of_numpy_are_parameters(unfitted):
    given = given_options(clone(unfitted).set_params(learning_rate=np.float64(1e-3), seed=np.int64(3)).get_params())
    assert (given["learning_rate"], given["seed"], type(given["seed"])) == (1e-3, 3, int)


def test_parameters_of_a_run_give_its_options_again(model):
    config = saved_options(model.run_folder_)
    given = given_options(clone(PairClassifier(**parameters_of(config))).get_params())
    assert all(getattr(config, name) == value for name, value in given.items())

"""Hybrid scoring: fitted where neither part was trained, and the same in a run's scores, its SavedModel and int8."""

import dataclasses
import json
import os
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from checkpoints_tools.common.tables import read_rows
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.credibility import read_finished_run, saved_lexical_model
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, read_inputs
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.reporting.evaluate_run import evaluate_finished_run
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving import by_ids, by_vectors
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.hybrid import Hybrid, fit_hybrid
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.training.distillation import add_unlabelled
from keras_negaposi.training.final_scores import _combine
from keras_negaposi.training.run import run
from tests.helpers.runs import HYBRID

ODD = ["", "\u3000", "ﾀﾜｰ", "\ufeffabc", "\0x", "𠮷野家", "e\u0301", "りんごを買う。" * 40]


@pytest.fixture(scope="module", params=["pair", "vector"])
def finished(request, finished_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hybrid") / "run"
    return RunFolder(str(finished_run(folder, **HYBRID, head=request.param, keep_best="last")))


@pytest.fixture(scope="module")
def scorer(finished):
    return Scorer(finished.path)


def probabilities_in(path):
    with open(path, encoding="utf-8", newline="") as file:
        return np.array([float(row[3]) for row in list(read_rows(file.read()))[1:]])


def texts_of_pairs(finished, corpus, part):
    pairs = read_split(finished.split)[part]
    return pairs, [corpus[pair.a] for pair in pairs], [corpus[pair.b] for pair in pairs]


def test_a_runs_scores_are_the_combination(finished, corpus):
    hybrid, lexical = saved_calibration(finished).hybrid, LexicalModel.load(finished.lexical_model)
    for part in ("dev", "test"):
        pairs, text_a, text_b = texts_of_pairs(finished, corpus, part)
        neural = probabilities_in(finished.neural_scores(part))
        combined = hybrid.combine(neural, lexical.logits(corpus, pairs))
        np.testing.assert_allclose(probabilities_in(finished.scores(part)), combined, atol=1e-5)
        np.testing.assert_allclose(lexical.logits_of_texts(text_a, text_b), lexical.logits(corpus, pairs))
        assert np.abs(combined - neural).max() > 0.01


def test_the_combination_comes_from_the_dev_part_alone(finished, corpus):
    saved, lexical = saved_calibration(finished).hybrid, LexicalModel.load(finished.lexical_model)
    pairs = read_split(finished.split)["dev"]
    labels = np.array([pair.label for pair in pairs])
    again = fit_hybrid(labels, probabilities_in(finished.neural_scores("dev")), lexical.logits(corpus, pairs))
    np.testing.assert_allclose(dataclasses.astuple(again), dataclasses.astuple(saved), rtol=1e-2, atol=1e-3)


def test_the_saved_model_gives_the_runs_scores(finished, scorer, corpus):
    _, text_a, text_b = texts_of_pairs(finished, corpus, "test")
    probabilities, labels = scorer.score(text_a, text_b)
    np.testing.assert_allclose(probabilities, probabilities_in(finished.scores("test")), atol=1e-5)
    assert labels.tolist() == (probabilities > 0.5).astype(int).tolist()


def test_kept_vectors_give_the_same_scores_and_every_text_is_encoded_once_per_side(
    finished, scorer, corpus, monkeypatch
):
    encoded = []

    def load_side(run, loaded, side):
        encode = by_ids.load_side(run, loaded, side)
        return lambda texts: (encoded.extend((side, text) for text in texts.numpy()), encode(texts))[1]

    monkeypatch.setattr(by_vectors, "load_side", load_side)
    _, text_a, text_b = texts_of_pairs(finished, corpus, "test")
    pairs = [*zip(text_a, text_b, strict=True), *zip(text_b, text_a, strict=True), (text_a[0], text_b[1])]
    found = list(Scorer(finished.path, keep_vectors=True).stream(pairs, 8))
    np.testing.assert_allclose(found, list(scorer.stream(pairs, 8)), atol=1e-5)
    if saved_options(finished.path).head == "vector":
        assert sorted(encoded) == sorted(
            {(side, text.encode()) for pair in pairs for side, text in zip("ab", pair, strict=True)}
        )


def test_the_saved_model_equals_python_for_odd_texts(finished, corpus):
    rng = random.Random(0)
    texts = [
        rng.choice(ODD) + "".join(rng.choices("りんごみかん電車abc。、 です", k=rng.randrange(40))) for _ in range(5000)
    ]
    text_a, text_b = texts[:2500], texts[2500:]
    loaded = tf.saved_model.load(finished.saved_model)
    lexical, hybrid = LexicalModel.load(finished.lexical_model), saved_calibration(finished).hybrid
    scored = loaded.signatures["serving_default"](text_a=tf.constant(text_a), text_b=tf.constant(text_b))
    combined = scored["probabilities"][:, 1].numpy()
    config = TrainConfig(**json.loads(open(finished.config, encoding="utf-8").read())["config"])
    inputs = read_inputs(config, Tokenizer(config.model_file, config.vocab_file), config.layout)
    # The other signature sees no characters, so it is purely neural.
    packed = inputs.preprocessor(tf.constant(text_a), tf.constant(text_b))
    ids = loaded.signatures["ids"](**{name: packed[name] for name in inputs.preprocessor.layout.inputs})
    np.testing.assert_allclose(
        hybrid.combine(ids["probabilities"][:, 1].numpy(), lexical.logits_of_texts(text_a, text_b)), combined, atol=1e-5
    )


def test_int8_is_combined_too(finished, scorer, corpus):
    _, text_a, text_b = texts_of_pairs(finished, corpus, "test")
    exact, _ = scorer.score(text_a, text_b)
    rounded, labels = Scorer(finished.path, "int8").score(text_a, text_b)
    np.testing.assert_allclose(rounded, exact, atol=0.1)
    assert labels.tolist() == (rounded > 0.5).astype(int).tolist()


def test_the_report_names_what_each_part_contributes(finished):
    metrics = json.loads(open(finished.metrics, encoding="utf-8").read())
    assert metrics["contributions"].keys() == {"trained model", "lexical features", "hybrid"}
    assert metrics["contributions"]["hybrid"]["accuracy"]["value"] == metrics["eval_accuracy"]
    assert metrics["calibration"]["hybrid"].keys() == {"neural", "lexical", "bias", "partner"}
    parts = json.loads(open(finished.config, encoding="utf-8").read())["hybrid"]
    assert parts["weights"] == metrics["calibration"]["hybrid"]
    assert parts["accuracy"] == {name: part["accuracy"]["value"] for name, part in metrics["contributions"].items()}
    assert "hybrid; the model alone" in metrics["verdict"]
    report = open(finished.report, encoding="utf-8").read()
    assert "The score combines the parts by weights" in report
    for part in ("model", "lexical features"):
        assert f"<tr><th>{part} alone</th>" in report


@pytest.mark.parametrize("finished", ["pair"], indirect=True)
def test_the_lexical_baseline_is_the_runs_own_model(finished, tmp_path, monkeypatch):
    """Evaluating fits it only where its file is gone, and gives the same figures either way."""
    copy = RunFolder(shutil.copytree(finished.path, str(tmp_path / "run")))
    run = read_finished_run(copy.path)
    assert_same(saved_lexical_model(run), LexicalModel.fit(run.texts, run.train))
    before = open(copy.metrics, encoding="utf-8").read()

    fits, fit = [], LexicalModel.fit_features
    monkeypatch.setattr(LexicalModel, "fit_features", lambda *given: fits.append(len(given[2])) or fit(*given))
    evaluate_finished_run(copy.path)
    assert open(copy.metrics, encoding="utf-8").read() == before and not fits
    os.remove(copy.lexical_model)
    evaluate_finished_run(copy.path)
    assert open(copy.metrics, encoding="utf-8").read() == before and set(fits) == {len(run.train)}


def test_the_lexical_model_is_fitted_to_the_training_pairs_of_the_split_file(inputs, pair_rows, tmp_path):
    """With self-labelled pairs, and without those that only a teacher labels: the pairs of the lexical baseline."""
    few = tmp_path / "few.json"
    few.write_text(json.dumps([row for row in pair_rows if row[0].endswith(("000", "001"))]))
    config = dataclasses.replace(inputs.config, negaposi=str(few), teacher="unused", distill_pairs=20)
    tokenizer = inputs.preprocessor.tokenizer
    plain = read_inputs(config, tokenizer, config.layout)
    labelled = read_inputs(dataclasses.replace(config, next_page_pairs=12), tokenizer, config.layout)
    more = add_unlabelled(labelled, config)
    _, lexical, _ = _combine(saved_calibration(RunFolder("none")), scores_of(more, lambda label: 0.5), more, {})
    more.split.write(str(tmp_path / "split.json"))
    saved = read_split(str(tmp_path / "split.json"))
    assert len(saved["train"]) > len(plain.split.parts["train"]) and len(saved[UNLABELLED]) == 20
    assert_same(lexical, LexicalModel.fit(more.data.texts, list(saved["train"])))
    with pytest.raises(AssertionError):
        assert_same(lexical, LexicalModel.fit(more.data.texts, plain.split.parts["train"]))


def assert_same(one, other):
    for name in ("mean", "scale", "coefficients", "intercept"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.frequencies.pages == other.frequencies.pages
    for kind, counts in one.frequencies.counts.items():
        np.testing.assert_array_equal(counts, other.frequencies.counts[kind])


def test_dev_is_held_out_of_both_parts(finished):
    split = read_split(finished.split)
    document = Documents(TrainConfig.group_pattern)
    documents = {
        part: {document(title) for pair in pairs for title in (pair.a, pair.b)} for part, pairs in split.items()
    }
    assert not documents["train"] & documents["dev"] and not documents["test"] & documents["dev"]


def test_a_run_can_do_without(tiny, without_export, tmp_path):
    folder = RunFolder(str(tmp_path / "run"))
    run(TrainConfig(**tiny.flags | HYBRID, hybrid=False, output_dir=folder.path))
    assert saved_calibration(folder).hybrid is None and not (tmp_path / "run/lexical.npz").exists()


@pytest.fixture(scope="module")
def inputs(tiny):
    config = TrainConfig(**tiny.flags | HYBRID, output_dir="unused")
    return read_inputs(config, Tokenizer(config.model_file, config.vocab_file), config.layout)


def scores_of(inputs, probability):
    """Scores of the dev and test parts; ``probability`` maps a label to a probability."""
    labels = {part: np.array([pair.label for pair in inputs.split.parts[part]]) for part in ("dev", "test")}
    return {
        part: Scores(of_part, np.array([probability(label) for label in of_part])) for part, of_part in labels.items()
    }


def test_a_model_that_memorised_its_training_pairs_gets_no_weight(inputs):
    """On training pairs it is always correct; fitted on those, it would get nearly all the weight."""
    rng = random.Random(0)
    calibration, _, _ = _combine(
        saved_calibration(RunFolder("none")), scores_of(inputs, lambda _: rng.random()), inputs, {}
    )
    train = inputs.split.parts["train"]
    labels = np.array([pair.label for pair in train])
    lexical = LexicalModel.fit(inputs.data.texts, train).logits(inputs.data.texts, train)
    leaked = fit_hybrid(labels, np.where(labels == 1, 0.99, 0.01), lexical)
    assert abs(calibration.hybrid.neural) < 0.3 < 0.7 < leaked.neural
    assert calibration.hybrid.lexical > 3 * abs(calibration.hybrid.neural)


def test_nothing_depends_on_test_labels(inputs):
    exchanged = [dataclasses.replace(pair, label=1 - pair.label) for pair in inputs.split.parts["test"]]
    split = dataclasses.replace(inputs.split, parts=inputs.split.parts | {"test": exchanged})
    others = dataclasses.replace(inputs, split=split)
    scores = scores_of(inputs, lambda label: 0.3 + 0.4 * label)
    (first, lexical, _), (second, other, _) = (
        _combine(saved_calibration(RunFolder("none")), scores, i, {}) for i in (inputs, others)
    )
    assert first == second
    np.testing.assert_array_equal(lexical.coefficients, other.coefficients)
    for kind, counts in lexical.frequencies.counts.items():
        np.testing.assert_array_equal(counts, other.frequencies.counts[kind])


def test_fitting():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    neural, lexical = (rng.normal(2 * labels - 1, 1.5) for _ in range(2))
    probabilities = 1 / (1 + np.exp(-neural))
    hybrid = fit_hybrid(labels, probabilities, lexical)
    wanted = LogisticRegression().fit(np.column_stack([neural, lexical]), labels)
    np.testing.assert_allclose(
        [hybrid.neural, hybrid.lexical, hybrid.bias], [*wanted.coef_[0], *wanted.intercept_], atol=1e-3
    )
    combined = hybrid.combine(probabilities, lexical)
    accuracy = ((combined > 0.5) == labels).mean()
    assert accuracy > max(((neural > 0) == labels).mean(), ((lexical > 0) == labels).mean())
    assert np.isfinite(Hybrid(1.0, 1.0, 0.0).combine(np.array([0.0, 1.0]), np.array([-50.0, 50.0]))).all()


def test_pairs_of_one_class_cannot_be_fitted():
    assert fit_hybrid(np.ones(3, int), np.full(3, 0.5), np.zeros(3)) is None

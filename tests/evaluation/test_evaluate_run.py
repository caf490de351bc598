"""Tests of the evaluation of a run: planted flaws that must give a warning, report, calibration and ranking."""

import dataclasses
import json
import random

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from markupsafe import escape

from checkpoints_tools.common.files import read_json
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.evaluation.findings import find_findings
from keras_negaposi.evaluation.leakage_audit import NEAR_TEXT, SAME_TEXT, near_duplicates
from keras_negaposi.evaluation.ranking import RankingOptions, rank
from keras_negaposi.evaluation.ranking import summarize as summarize_ranks
from keras_negaposi.evaluation.verdict import verdict
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.predict import main as predict
from keras_negaposi.reporting.evaluate_run import describe, evaluate_finished_run
from keras_negaposi.reporting.run_report import render_report
from keras_negaposi.runtime.html import visible
from keras_negaposi.serving.calibration import Calibration, calibrate
from keras_negaposi.training.multi_run import summarize
from keras_negaposi.training.run import run

QUICK = {
    "num_train_epochs": 0.2,
    "train_batch_size": 16,
    "max_seq_length": 30,
    "precision": "float32",
    "rank_queries": 0,
    "embedded_pairs": 60,  # fewer than there are, as with a user's data
}


def finish(tiny, folder, head=None, **options):
    """Trains for a few steps and returns the run's metrics."""
    more = {"head": head} if head else {}
    run(TrainConfig(**tiny.flags | QUICK | options, output_dir=str(folder)), **more)
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def plain(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "run"
    return finish(tiny, folder, split="grouped", dev_share=0.2, rank_queries=4, rank_candidates=3), folder


@pytest.fixture(scope="module")
def in_memory(tiny):
    """The folder of a run with a random split on ram://, which stands for gs://."""
    folder = "ram://runs/first"
    run(TrainConfig(**tiny.flags | QUICK, output_dir=folder))
    return folder


@pytest.fixture(scope="module")
def random_split(in_memory):
    """The metrics of that run."""
    return read_json(f"{in_memory}/metrics.json")


def warned(metrics, *words):
    return any(all(word in warning for word in words) for warning in metrics["warnings"])


def test_metrics_hold_everything(plain):
    metrics, folder = plain
    assert metrics["schema"] == 1
    assert metrics["figures"]["accuracy"]["value"] == metrics["eval_accuracy"]
    for found in metrics["figures"].values():
        assert found["low"] <= found["high"]
    baselines = {"majority", "A only", "B only", "lengths only", "TF-IDF cosine", "lexical features", "frozen encoder"}
    baselines |= {"frozen cosine", "frozen + lexical"}
    assert metrics["baselines"].keys() == baselines
    for found in metrics["baselines"].values():
        assert 0 <= found["mcnemar"]["p_value"] <= 1
    assert metrics["ranking"]["queries"] == 4 and metrics["ranking"]["candidates"] == 3
    assert metrics["verdict"] in (folder / "report.html").read_text()


def test_documents_on_both_sides(random_split, plain):
    assert warned(random_split, "the document of A or B also occurs in training")
    assert random_split["seen"]["document of A or B"]["share"] > 0.9
    assert random_split["contributions"] is None and "hybrid" not in random_split["verdict"]  # there is no dev part
    assert not warned(plain[0], "the document of A or B also occurs in training")
    assert plain[0]["seen"]["document of A or B"]["share"] == 0


def with_files(tiny, folder, texts, rows):
    """The tiny BERT with other texts and pairs, which are written to the folder."""
    files = {"honbun": texts, "negaposi": rows}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return type(tiny)(**vars(tiny) | {"flags": tiny.flags | {name: str(folder / name) for name in files}})


def constant(pooled, config):
    """A classifier that answers everything with the same probability."""
    logits = tf_keras.layers.Dense(2, kernel_initializer="zeros", trainable=False, dtype=tf.float32)(pooled)
    return tf_keras.layers.Softmax(dtype=tf.float32)(logits)


@pytest.fixture(scope="module")
def leaking(tiny, corpus, pair_rows, tmp_path_factory):
    """A constant classifier of pairs where every B of a positive pair ends in a word that no other text contains."""
    folder, texts, rows = tmp_path_factory.mktemp("leaking"), dict(corpus), []
    for number, (a, b, label) in enumerate(pair_rows):
        texts[f"{b}-{number}"] = texts[b] + ("つづき" if label else "べつの")
        rows.append([a, f"{b}-{number}", label])
    return finish(with_files(tiny, folder, texts, rows), folder / "run", head=constant)


def test_labels_that_leak_through_b(leaking):
    assert warned(leaking, "B alone predicts the label")
    assert not warned(leaking, "A alone predicts the label")


def test_a_constant_classifier(leaking):
    assert leaking["degenerate"]["distinct_scores"] == 1
    assert warned(leaking, "the same answer")
    assert warned(leaking, "does not significantly beat the baseline TF-IDF cosine")
    assert leaking["figures"]["roc_auc"]["value"] == 0.5


BAD = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "abc\u202edef",
    "長" * 5_000,
    "$verdict ${x}",
]
"""What texts and titles of `copied` contain."""


@pytest.fixture(scope="module")
def copied(tiny, corpus, pair_rows, tmp_path_factory):
    """The folder of a run whose second half of the documents repeats the first under other titles.

    No document is in train and test. Texts and titles are malicious.
    """
    folder = tmp_path_factory.mktemp("copied")
    first = [title for title in corpus if title < "doc12"]
    texts = {title: BAD[number % len(BAD)] + corpus[title] for number, title in enumerate(first)}
    rows = [row for row in pair_rows if row[0] in texts and row[1] in texts]
    texts |= {f"copy{title[3:]}": text for title, text in texts.items()}
    rows += [[f"copy{a[3:]}", f"copy{b[3:]}", label] for a, b, label in rows]
    renamed = {title: title.replace(",", "<b>&\u202e,") for title in texts}
    texts = {renamed[title]: text for title, text in texts.items()}
    rows = [[renamed[a], renamed[b], label] for a, b, label in rows]
    finish(with_files(tiny, folder, texts, rows), folder / "run", split="grouped")
    return folder / "run"


def test_texts_under_two_titles(copied):
    metrics = json.loads((copied / "metrics.json").read_text())
    assert metrics["seen"]["document of A or B"]["share"] == 0
    assert metrics["seen"][SAME_TEXT]["share"] > 0.3
    assert warned(metrics, SAME_TEXT)


def test_malicious_text_is_shown_as_text(copied):
    page = (copied / "report.html").read_text()
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert "\u202e" not in page and "[U+202E]" in page
    assert "&lt;script&gt;" in page and "characters)" in page
    assert "長" * 1000 not in page


def test_shuffled_labels_are_at_chance(plain):
    shuffled = plain[0]["shuffled"]
    assert shuffled["low"] <= 0.5 <= shuffled["high"]


def test_the_threshold_never_comes_from_the_test_part(plain, random_split):
    """The calibration depends on the dev scores alone and no flag sets it; without a dev part, it is the default."""
    metrics, folder = plain
    rows = [line.split("\t") for line in (folder / "scores_dev_neural.tsv").read_text().splitlines()[1:]]
    saved = Calibration(**metrics["calibration"] | {"hybrid": None, "ensemble": None})
    assert saved.chosen_on == "dev"
    labels = np.array([int(row[2]) for row in rows])
    calibrated = np.array([float(row[3]) for row in rows])
    logits = np.log(calibrated / (1 - calibrated)) * saved.temperature
    again = calibrate(labels, 1 / (1 + np.exp(-logits)))
    assert again.temperature == pytest.approx(saved.temperature, rel=1e-2)
    assert again.threshold == pytest.approx(saved.threshold, abs=1e-3)
    assert not [field.name for field in dataclasses.fields(TrainConfig) if "threshold" in field.name]
    assert random_split["calibration"] == {
        "temperature": 1.0,
        "threshold": 0.5,
        "chosen_on": None,
        "hybrid": None,
        "ensemble": None,
        "density": None,
    }


def test_predict_and_the_saved_model_use_the_calibration(plain, corpus, tmp_path):
    _, folder = plain
    rows = [line.split("\t") for line in (folder / "scores_test.tsv").read_text().splitlines()[1:]]
    (tmp_path / "in").write_text("".join(f"{corpus[row[0]]}\t{corpus[row[1]]}\n" for row in rows))
    assert predict([str(folder), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    predicted = [line.split("\t")[:2] for line in (tmp_path / "out").read_text().splitlines()]
    np.testing.assert_allclose([float(row[0]) for row in predicted], [float(row[3]) for row in rows], atol=3e-6)
    assert [row[1] for row in predicted] == [row[4] for row in rows]


def test_evaluating_again_changes_nothing(plain):
    metrics, folder = plain
    report = (folder / "report.html").read_text()
    assert evaluate([str(folder)]) == 0
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (folder / "report.html").read_text() == report


def test_exit_codes_for_scripts(in_memory, random_split, capsys):
    accuracy = random_split["eval_accuracy"]
    assert random_split["warnings"] and accuracy < 0.9  # next to nothing was trained
    assert evaluate([in_memory, "--require-accuracy", str(accuracy + 0.01)]) == 1
    assert "is below --require_accuracy" in capsys.readouterr().out
    assert evaluate([in_memory, "--fail-on-warning", f"--require_accuracy={accuracy - 0.01}"]) == 1
    assert "there are warnings" in capsys.readouterr().out


def test_tensorboard_has_the_figures(plain):
    metrics, folder = plain
    scalars, plugins = {}, set()
    for path in (folder / "tensorboard/test").rglob("events.out*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                plugins.add(value.metadata.plugin_data.plugin_name)
                if value.metadata.plugin_data.plugin_name == "scalars":
                    scalars[value.tag] = float(tf.make_ndarray(value.tensor))
    for name, figure in metrics["figures"].items():
        assert scalars[f"test/{name}"] == pytest.approx(figure["value"], rel=1e-5)
    assert {"scalars", "pr_curves", "images", "hparams"} <= plugins


def test_an_unfinished_run_is_not_evaluated(tmp_path, capsys):
    assert evaluate([str(tmp_path)]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


def test_near_duplicates():
    rng = random.Random(0)
    texts = ["".join(rng.choice("あいうえおかきくけこさしすせそ") for _ in range(80)) for _ in range(6)]
    changed = texts[2][:40] + "ん" + texts[2][41:]
    assert near_duplicates([changed, texts[0], "短い"], texts[1:]) == {changed}
    assert near_duplicates(["短い"], ["短い"]) == {"短い"}
    assert near_duplicates(["短"], ["い"]) == set()
    assert near_duplicates([], texts) == set()
    assert NEAR_TEXT != SAME_TEXT


class ByOverlap:
    """A scorer whose probability grows with the number of letters in common."""

    def stream(self, pairs, batch_size):
        for a, b in pairs:
            yield len(set(a) & set(b)) / 100, 0


def test_ranking_counts_from_the_best_and_ties_against():
    from keras_negaposi.data.pairs import Pair

    texts = {"x,0": "abcdef", "x,1": "abcdxy", "y,0": "abzzzz", "y,1": "qqqq", "z,0": "abcdzz", "z,1": "wwww"}
    test = [Pair("x,0", "x,1", 1), Pair("y,0", "z,1", 0), Pair("z,0", "y,1", 0)]
    options = RankingOptions(queries=5, candidates=20, group_pattern=r"^(.*),", batch_size=8, seed=0)
    lexical = LexicalModel.of_cosine(PageFrequencies.of(texts.values()))
    found = rank(ByOverlap(), lexical, texts, test, options)
    # z,0 shares as many letters with x,0 as the true x,1 does: a tie, so the true one is second.
    assert found.queries == 1
    assert (found.recall_at_1.value, found.recall_at_10.value, found.mrr.value) == (0, 1, 0.5)
    # By shared n-grams, z,0 is as near as x,1 is: 'abcd' and one more letter of six.
    assert found.lexical.mrr.value == pytest.approx(1 / ranks_by_cosine(lexical, texts))
    # Six pages, without x,0 and x,1 themselves, and x,1: five candidates.
    assert found.chance.recall_at_1 == pytest.approx(1 / 5) and found.chance.recall_at_10 == 1
    assert found.chance.mrr == pytest.approx(sum(1 / n for n in range(1, 6)) / 5)
    assert rank(ByOverlap(), lexical, texts, test[1:], options) is None


def ranks_by_cosine(lexical, texts):
    """The rank of x,1 among the pages of other documents, after x,0."""
    from keras_negaposi.data.pairs import Pair

    pages = ["x,1", "y,0", "y,1", "z,0", "z,1"]
    scores = lexical.logits(texts, [Pair("x,0", page, 0) for page in pages])
    return 1 + int((scores[1:] >= scores[0]).sum())


def test_ranking_intervals():
    ranks = np.array([1, 2, 4, 20] * 25)
    found = summarize_ranks(ranks, [f"d{number}" for number in range(100)], 0)
    assert found.recall_at_1.value == 0.25 and found.recall_at_10.value == 0.75
    assert found.mrr.value == pytest.approx((1 + 0.5 + 0.25 + 0.05) / 4)
    assert found.recall_at_1.low == pytest.approx(0.25 - 1.96 * np.sqrt(0.25 * 0.75 / 100), abs=0.02)


def test_escape_keeps_japanese_and_shows_controls():
    assert escape(visible("本文 <b> & \u200f\x00")) == "本文 &lt;b&gt; &amp; [U+200F][U+0000]"


def test_a_run_on_an_object_store(in_memory):
    """No file of the run is written to the local disk."""
    for name in ("metrics.json", "report.html", "vectors.npz", "eval_results.txt", "saved_model/saved_model.pb"):
        assert tf.io.gfile.exists(f"{in_memory}/{name}"), name
    assert evaluate([in_memory]) == 0


def test_damaged_vectors_are_named(tiny, tmp_path, capsys):
    from keras_negaposi.baseline import main as baseline

    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04" + b"x" * 40)
    flags = [f"--{name}={value}" for name, value in tiny.flags.items()]
    flags += ["--max_seq_length=20", f"--embedding_cache={tmp_path}/v.npz", f"--output_dir={tmp_path}/out"]
    assert baseline(flags) == 2
    assert "v.npz: not an embedding cache" in capsys.readouterr().err


def test_evaluate_finished_run_returns_the_figures(plain):
    metrics, folder = plain
    result = evaluate_finished_run(str(folder))
    assert result.evaluation.eval_accuracy == metrics["eval_accuracy"]
    # Without any baseline, as where no text has two characters.
    assessment = dataclasses.replace(result.assessment, baselines={})
    findings = find_findings(assessment, result.dev_history)
    alone = dataclasses.replace(result, assessment=assessment, findings=findings)
    not_hybrid = dataclasses.replace(assessment, contributions=None)
    assert verdict(not_hybrid, []).endswith("test pairs of unseen documents; no warnings")
    assert "(hybrid; the model alone " in verdict(assessment, [])
    assert "<th>model alone</th>" in render_report(alone) and describe(assessment, "sentence", []).endswith("sentence")
    assert summarize([alone])["grouped"]["tfidf_cosine"] is None

"""Tests of the baselines."""

import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from checkpoints_tools.common.errors import InputError
from keras_negaposi.baseline import main
from keras_negaposi.config import BaselineConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.baseline_comparison import EMBEDDING_COSINE, FROZEN_LEXICAL, LEXICAL, LINEAR_PROBE
from keras_negaposi.evaluation.baselines import embedded_rows, score_baselines
from keras_negaposi.evaluation.embedding_cache import centred_cosines, pair_features, text_key, text_vectors
from keras_negaposi.evaluation.text_baselines import (
    TRIVIAL,
    a_only,
    b_only,
    labels_of,
    lengths_only,
    majority,
    tfidf_features,
)
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.input_pipeline.packing import pack_singles
from keras_negaposi.lexical.model import LexicalModel, features_of_pairs
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.modeling.pretrained import read_pretrained

LENGTH = 33


@pytest.fixture(scope="module")
def pairs(pair_rows):
    return [Pair(*row) for row in pair_rows]


@pytest.fixture(scope="module")
def scored(tiny, corpus, pairs, tmp_path_factory):
    """Scores the baselines on the last 60 pairs, with a number of embedded pairs and a seed."""
    path = str(tmp_path_factory.mktemp("scored") / "v.npz")
    pretrained = read_pretrained(BaselineConfig(**tiny.flags, max_seq_length=LENGTH))

    def score(embedded_pairs="all", seed=0):
        options = {"max_seq_length": LENGTH, "precision": "float32", "embedded_pairs": embedded_pairs, "seed": seed}
        config = BaselineConfig(**tiny.flags, **options)
        return score_baselines(config, pretrained, corpus, pairs[:-60], pairs[-60:], path)

    return score


def test_vectors_are_the_encoders_whatever_the_batch(tiny, corpus, tmp_path):
    config = BaselineConfig(**tiny.flags, max_seq_length=LENGTH, precision="float32")
    pretrained = read_pretrained(config)
    texts = [*list(corpus.values())[:40], "", "りんご"]
    vectors = text_vectors(config, pretrained, [*texts, *texts], str(tmp_path / "v.npz"))
    assert len(vectors) == len(set(texts))
    packed = pack_singles(pretrained.tokenizer, tf.constant(texts), LENGTH)
    states = pretrained.encoder()({name: packed[name] for name in ENCODER_INPUTS})["sequence_output"].numpy()
    mask = packed["input_mask"].numpy()[:, :, np.newaxis]
    expected = np.stack([states[:, 0], (states * mask).sum(axis=1) / mask.sum(axis=1)], axis=1)
    np.testing.assert_allclose([vectors[text_key(text)] for text in texts], expected, atol=1e-5)


def test_kept_vectors_are_reused_for_the_same_model_only(tiny, corpus, tmp_path, capsys):
    path = str(tmp_path / "v.npz")
    texts = list(corpus.values())[:10]
    config = BaselineConfig(**tiny.flags, max_seq_length=LENGTH, precision="float32")
    pretrained = read_pretrained(config)
    first = text_vectors(config, pretrained, texts[:6], path)
    capsys.readouterr()
    again = text_vectors(config, pretrained, texts, path)
    new = len(set(texts)) - len(set(texts[:6]))
    assert f"encoding {new} texts" in capsys.readouterr().out
    assert all((again[name] == vector).all() for name, vector in first.items())
    other = BaselineConfig(**tiny.flags, max_seq_length=LENGTH - 1, precision="float32")
    text_vectors(other, pretrained, texts[:6], path)
    assert "recomputed" in capsys.readouterr().out


def test_pair_features():
    texts = {"a": "x", "b": "y"}
    vectors = {
        text_key("x"): np.array([[1.0, 2.0], [5.0, 5.0]]),
        text_key("y"): np.array([[3.0, -1.0], [6.0, 7.0]]),
    }
    features = pair_features(vectors, texts, [Pair("a", "b", 1)], "first")
    assert features.tolist() == [[1, 2, 3, -1, 2, 3, 3, -2]]


def test_cosines_are_those_of_what_is_not_common():
    texts = {name: name for name in "abcd"}
    means = {"a": [11.0, 10.0], "b": [10.0, 11.0], "c": [9.0, 10.0], "d": [10.0, 9.0]}  # around [10, 10]
    vectors = {text_key(name): np.array([[7.0, 7.0], mean]) for name, mean in means.items()}
    train = [Pair("a", "b", 1), Pair("c", "d", 0)]
    cosines = centred_cosines(vectors, texts, train, [Pair("a", "a", 1), Pair("a", "b", 1), Pair("a", "c", 0)], "mean")
    np.testing.assert_allclose(cosines, [[1], [0], [-1]], atol=1e-12)
    assert not centred_cosines(vectors, texts, train, train, "first").any()  # nothing but the common part


def test_cosine_is_one_for_equal_texts_and_zero_for_strangers():
    texts = {"a": "りんごを買う", "b": "りんごを買う", "c": "電車で話す", "d": "電車で話す"}
    pairs = [Pair("a", "b", 1), Pair("a", "c", 0)]
    _, features = tfidf_features(texts, [*pairs, Pair("c", "d", 1)], pairs)
    np.testing.assert_allclose(features, [[1, 6, 6], [0, 6, 5]], atol=1e-9)


def test_majority():
    train = [Pair("a", "b", 1), Pair("a", "c", 1), Pair("a", "d", 0)]
    assert majority({}, train, [Pair("x", "y", 1), Pair("x", "z", 0)]).tolist() == [1, 1]
    assert majority({}, train[1:], [Pair("x", "y", 1)]).tolist() == [0]


@pytest.mark.parametrize("side", ["a", "b"])
def test_one_side_sees_its_side_only(side):
    texts = {"yes": "りんごを買う", "no": "電車で話す", "other": "会議を見る"}
    rows = [("yes", "other", 1), ("no", "other", 0)] * 20
    pairs = [Pair(a, b, label) if side == "a" else Pair(b, a, label) for a, b, label in rows]
    labels = labels_of(pairs)
    ours, theirs = (a_only, b_only) if side == "a" else (b_only, a_only)
    assert ((ours(texts, pairs, pairs) > 0.5) == labels).all()
    assert np.ptp(theirs(texts, pairs, pairs)) == 0


def test_lengths_only():
    texts = {"long": "あ" * 50, "short": "い" * 5}
    pairs = [Pair("long", "short", 1), Pair("short", "long", 0)] * 20
    assert ((lengths_only(texts, pairs, pairs) > 0.5) == labels_of(pairs)).all()


def test_the_command(tiny, tmp_path, capsys):
    flags = [f"--{name}={value}" for name, value in tiny.flags.items()]
    assert main([*flags, "--max_seq_length=33", "--split=grouped", f"--output_dir={tmp_path}/b"]) == 0
    output = capsys.readouterr().out
    metrics = json.loads((tmp_path / "b/baseline_metrics.json").read_text())
    accuracy = {name: found["value"] for name, found in metrics["accuracy"].items()}
    assert accuracy.keys() == {*TRIVIAL, LINEAR_PROBE, EMBEDDING_COSINE, FROZEN_LEXICAL}
    assert accuracy["majority"] == pytest.approx(0.5, abs=0.02)
    for value in accuracy.values():
        assert f"{value:.1%}".replace("%", " %") in output
    assert "linear probe, embedding cosine, frozen + lexical: fitted to " in output
    # The corpus: a page's document is about one thing, so the cosine sees most of it.
    assert accuracy["TF-IDF cosine"] > 0.7


@pytest.mark.parametrize("embedded_pairs", ["all", 50])
def test_frozen_and_lexical_is_one_regression_on_both(tiny, corpus, pairs, scored, tmp_path, embedded_pairs):
    train, test = pairs[:-60], pairs[-60:]
    config = BaselineConfig(
        **tiny.flags, max_seq_length=LENGTH, precision="float32", embedded_pairs=embedded_pairs, seed=3
    )
    some = [train[row] for row in embedded_rows(config, train)]
    assert len(some) == (50 if embedded_pairs == 50 else len(train))
    vectors = text_vectors(config, read_pretrained(config), list(corpus.values()), str(tmp_path / "v.npz"))
    frequencies = PageFrequencies.of(corpus.values())
    features = [
        np.column_stack(
            [
                features_of_pairs(frequencies, corpus, part, Neighbours.of(frequencies, corpus.values())),
                centred_cosines(vectors, corpus, some, part, "mean"),
            ]
        )
        for part in (some, test)
    ]
    scaler = StandardScaler().fit(features[0])
    regression = LogisticRegression(max_iter=2000, C=0.1).fit(scaler.transform(features[0]), labels_of(some))
    wanted = regression.predict_proba(scaler.transform(features[1]))[:, 1]
    found = scored(embedded_pairs, seed=3).probabilities
    np.testing.assert_allclose(found[FROZEN_LEXICAL], wanted, atol=1e-5)
    assert (
        np.abs(found[FROZEN_LEXICAL] - found[LEXICAL]).max() > 1e-4
    )  # the cosine counts: ten times the tolerance above


def test_embedded_pairs_are_of_no_concern_to_the_baselines_on_texts(corpus, pairs, scored):
    everything, some, again, other = scored(), scored(50), scored(50), scored(50, seed=1)
    for name in TRIVIAL:
        np.testing.assert_array_equal(some.probabilities[name], everything.probabilities[name])
    for name in (LINEAR_PROBE, EMBEDDING_COSINE, FROZEN_LEXICAL):
        np.testing.assert_array_equal(some.probabilities[name], again.probabilities[name])
        assert (some.probabilities[name] != everything.probabilities[name]).any()
        assert (some.probabilities[name] != other.probabilities[name]).any()
    assert len(some.probe_features[0]) == 50
    wanted = LexicalModel.fit(corpus, pairs[:-60]).logits(corpus, pairs[-60:])
    np.testing.assert_allclose(everything.probabilities[LEXICAL], 1 / (1 + np.exp(-wanted)), atol=1e-12)


def test_embedded_pairs_are_drawn_at_random_and_need_both_labels(pairs):
    train = sorted(pairs, key=lambda pair: pair.label)
    rows = embedded_rows(BaselineConfig(embedded_pairs=40), train)
    assert len(set(rows)) == 40 and (np.diff(rows) > 0).all()
    assert 5 < sum(train[row].label for row in rows) < 35
    more = embedded_rows(BaselineConfig(embedded_pairs=10**9), train)
    np.testing.assert_array_equal(more, embedded_rows(BaselineConfig(), train))
    np.testing.assert_array_equal(more, np.arange(len(train)))
    rare = [Pair("a", "b", 0)] * 99 + [Pair("a", "c", 1)]
    with pytest.raises(InputError, match="--embedded_pairs 2: the 2 drawn pairs all have the same label; give more"):
        embedded_rows(BaselineConfig(embedded_pairs=2), rare)


def test_figures_from_before_a_baseline_are_read(tiny, tmp_path):
    """An older version wrote neither frozen + lexical nor the option."""
    flags = [f"--{name}={value}" for name, value in tiny.flags.items()]
    flags += ["--max_seq_length=33", f"--output_dir={tmp_path}/b", "--embedded_pairs=40"]
    assert main(flags) == 0
    path = tmp_path / "b/baseline_metrics.json"
    metrics = json.loads(path.read_text())
    assert metrics["config"].pop("embedded_pairs") == 40
    del metrics["accuracy"][FROZEN_LEXICAL]
    path.write_text(json.dumps(metrics))
    assert main(flags) == 0
    assert FROZEN_LEXICAL in json.loads(path.read_text())["accuracy"]
    assert main([*flags[:-1], "--embedded_pairs=41"]) != 0

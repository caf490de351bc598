"""A run's model in int8 and bfloat16: close to float32; int8 is converted once, and never used for another model."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig, TrainConfig
from keras_negaposi.data.texts import text_key
from keras_negaposi.index import main as index
from keras_negaposi.index_files.store import Store
from keras_negaposi.modeling import precision as precision_module
from keras_negaposi.modeling.heads import build
from keras_negaposi.predict import main as predict
from keras_negaposi.retrieval import Index, build_index
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.serving import arithmetic, score_file
from keras_negaposi.serving.by_ids import run_preprocessor
from keras_negaposi.serving.calibration import Calibration
from keras_negaposi.serving.export import export
from keras_negaposi.serving.scorer import Scorer

WIDE = {"hidden_size": 48, "intermediate_size": 80}
"""LiteRT does not quantize matrices of fewer than 1,024 values."""
TOLERANCE = 0.1
"""As a share of the range of the probabilities."""


def make_run(tiny, folder, head, seed):
    """Writes what scoring needs of a finished run: an exported model of random weights, tokenizer and configuration."""
    options = TrainConfig(**tiny.flags, max_seq_length=37, head=head)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"config": dataclasses.asdict(options)}))
    (folder / "bert_config.json").write_text(json.dumps(tiny.config | WIDE))
    for source, target in (("model_file", "tokenizer.model"), ("vocab_file", "tokenizer.vocab")):
        shutil.copy(tiny.flags[source], folder / target)
    model, preprocessor = build(options, BertConfig(**tiny.config | WIDE)), run_preprocessor(str(folder))
    model({name: tf.ones([1, 5], tf.int32) for name in preprocessor.layout.inputs})
    rng = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign_add(rng.normal(scale=0.1, size=weight.shape))
    export(model, preprocessor, Calibration(), str(folder / "saved_model"))
    return folder


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed, head in enumerate(("pair", "vector", "dot", "maxsim")):
        make_run(tiny, folder / head, head, seed)
    return folder


@pytest.fixture(scope="module")
def text_pairs(corpus):
    """Pairs of all lengths, with two of the greatest and the least length."""
    texts = list(corpus.values())
    return [*zip(texts, texts[::-1], strict=True), (texts[0] * 20, texts[1] * 20), ("", "")]


@pytest.mark.parametrize(
    ("head", "precision"), [("pair", "int8"), ("maxsim", "int8"), ("pair", "bfloat16"), ("dot", "bfloat16")]
)
def test_pairs_score_nearly_the_same(runs, text_pairs, head, precision):
    exact, quick = (Scorer(str(runs / head), name) for name in ("float32", precision))
    expected, found = (np.array(list(scorer.stream(text_pairs, 7))) for scorer in (exact, quick))
    apart = np.ptp(expected[:, 0])
    assert 1e-5 * apart < np.abs(found[:, 0] - expected[:, 0]).max() < TOLERANCE * apart
    np.testing.assert_array_equal(found[:, 1], found[:, 0] > 0.5)
    one_by_one = [quick.score([a], [b])[0][0] for a, b in text_pairs]
    np.testing.assert_allclose(one_by_one, found[:, 0], atol=TOLERANCE * apart)


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
@pytest.mark.parametrize(("head", "side"), [("vector", "b"), ("dot", "a"), ("dot", "b"), ("maxsim", "a")])
def test_sides_are_nearly_the_same(runs, text_pairs, head, side, precision):
    texts = [a for a, _ in text_pairs]
    expected, found = (CachedScorer(str(runs / head), name).encode(side, texts) for name in ("float32", precision))
    assert found.keys() == expected.keys()
    mask = expected.get("mask", np.ones([len(texts), 1]))
    for name, exact in expected.items():
        near = found[name][:, : exact.shape[1]]
        if name == "mask":
            np.testing.assert_array_equal(near, exact)
        else:
            exact, near = (values[mask > 0] if values.ndim == 3 else values for values in (exact, near))
            norms = np.linalg.norm(near, axis=1) * np.linalg.norm(exact, axis=1)
            assert np.median((near * exact).sum(axis=1) / norms) > 0.99


def test_predict_converts_the_model_once(runs, text_pairs, tmp_path, capsys):
    (tmp_path / "in").write_text("".join(f"{a}\t{b}\n" for a, b in text_pairs), encoding="utf-8")
    for kept in (runs / "pair" / "int8").glob("*"):
        kept.unlink()
    flags = [str(runs / "pair"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    outputs = []
    for _ in range(2):
        assert predict([*flags, "--precision", "int8"]) == 0
        outputs.append("".join(capsys.readouterr()))
    assert ["once" in output for output in outputs] == [True, False]
    (kept,) = (runs / "pair" / "int8").iterdir()
    assert kept.name.startswith("ids-") and kept.stat().st_size > 1000
    rows = [line.split("\t") for line in (tmp_path / "out").read_text().splitlines()]
    expected = list(Scorer(str(runs / "pair"), "int8").stream(text_pairs, 32))
    assert [int(label) for _, label in rows] == [label for _, label in expected]


def test_other_weights_are_converted_again(tiny, runs, text_pairs, tmp_path):
    Scorer(str(runs / "pair"), "int8")
    other = make_run(tiny, tmp_path / "other", "pair", 7)
    (before,) = shutil.copytree(runs / "pair" / "int8", other / "int8").iterdir()
    texts = [list(side) for side in zip(*text_pairs, strict=True)]
    scorers = Scorer(str(other), "int8"), Scorer(str(runs / "pair")), Scorer(str(other))
    quick, old, exact = (scorer.score(*texts)[0] for scorer in scorers)
    (after,) = (other / "int8").iterdir()
    assert before.name != after.name
    assert np.abs(quick - exact).max() < TOLERANCE * np.ptp(exact) < np.abs(quick - old).max()


def test_an_index_of_8_bits_is_another(runs, tiny, tmp_path, capsys):
    folder = str(tmp_path / "index")
    config = IndexConfig(honbun=tiny.flags["honbun"], output=folder, precision="int8")
    build_index(str(runs / "vector"), config)
    text = next(iter(json.loads(open(tiny.flags["honbun"], encoding="utf-8").read()).values()))
    exact = IndexConfig(honbun=tiny.flags["honbun"], output=str(tmp_path / "exact"))
    build_index(str(runs / "vector"), exact)
    found, expected = (Index(path).score_all(text) for path in (folder, str(tmp_path / "exact")))
    differences = [abs(found[key] - expected[key]) for key in expected]
    assert 0 < max(differences) < TOLERANCE * np.ptp(list(expected.values()))
    assert index([str(runs / "vector"), "--output", folder]) == 2
    error = capsys.readouterr().err
    assert "precision" in error and "int8" in error and "float32" in error


def test_an_index_in_bfloat16_is_updated_in_float32(runs, tiny, tmp_path, capsys):
    exact, mixed = str(tmp_path / "exact"), str(tmp_path / "mixed")
    honbun = json.loads(open(tiny.flags["honbun"], encoding="utf-8").read())
    half = tmp_path / "half.json"
    half.write_text(json.dumps(dict(list(honbun.items())[::2])))
    build_index(str(runs / "vector"), IndexConfig(honbun=tiny.flags["honbun"], output=exact))
    build_index(str(runs / "vector"), IndexConfig(honbun=str(half), output=mixed, precision="bfloat16"))
    build_index(str(runs / "vector"), IndexConfig(honbun=tiny.flags["honbun"], output=mixed))
    assert "72 of them to encode" in capsys.readouterr().out
    text = next(iter(honbun.values()))
    found, expected = (Index(path).score_all(text) for path in (mixed, exact))
    differences = np.array([abs(found[key] - expected[key]) for key in expected])
    assert 0 < differences.max() < 0.02 * np.ptp(list(expected.values()))


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_a_saved_model_alone_is_refused(runs, precision):
    with pytest.raises(InputError, match="not the folder of a finished run"):
        Scorer(str(runs / "pair" / "saved_model"), precision)


def test_a_classifier_that_was_given_as_code_is_not_built_in_bfloat16(tiny, runs, tmp_path):
    other = shutil.copytree(runs / "pair", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["config"]["head"] = "pair_means"
    (other / "config.json").write_text(json.dumps(config))
    (other / "bert_config.json").write_text(json.dumps(tiny.config))
    with pytest.raises(InputError, match=f"{other}: its weights are not those of its options"):
        Scorer(str(other), "bfloat16")


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_where_the_hardware_has_it(runs, text_pairs, monkeypatch, has):
    monkeypatch.setattr(precision_module, "_cpu_has_bfloat16", lambda: has)
    texts = [list(side) for side in zip(*text_pairs, strict=True)]
    automatic, named = (Scorer(str(runs / "pair"), name) for name in ("auto", "bfloat16" if has else "float32"))
    np.testing.assert_array_equal(automatic.score(*texts)[0], named.score(*texts)[0])


def test_auto_is_float32_for_a_model_that_bfloat16_cannot_have(runs, text_pairs, monkeypatch):
    monkeypatch.setattr(precision_module, "_cpu_has_bfloat16", lambda: True)
    texts = [list(side) for side in zip(*text_pairs[:9], strict=True)]
    automatic, exact = Scorer(str(runs / "pair" / "saved_model"), "auto"), Scorer(str(runs / "pair"))
    np.testing.assert_array_equal(automatic.score(*texts)[0], exact.score(*texts)[0])


@pytest.mark.parametrize("many", [20, 21])
def test_many_pairs_are_predicted_in_bfloat16_and_few_in_float32(runs, text_pairs, tmp_path, monkeypatch, many):
    monkeypatch.setattr(precision_module, "_cpu_has_bfloat16", lambda: True)
    for module in (score_file, arithmetic):
        monkeypatch.setattr(module, "MANY", many)
    pairs = text_pairs[:20]
    (tmp_path / "in").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    assert predict([str(runs / "pair"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    found = [float(line.split("\t")[0]) for line in (tmp_path / "out").read_text().splitlines()]
    scorers = {name: Scorer(str(runs / "pair"), name) for name in ("float32", "bfloat16")}
    expected = {name: [round(p, 6) for p, _ in scorer.stream(pairs, 32)] for name, scorer in scorers.items()}
    assert expected["float32"] != expected["bfloat16"] == found if many == 20 else found == expected["float32"]


@pytest.mark.parametrize("many", [143, 144])
def test_many_new_texts_are_encoded_in_bfloat16_and_few_in_float32(runs, tiny, tmp_path, monkeypatch, many):
    monkeypatch.setattr(precision_module, "_cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(arithmetic, "MANY", many)
    build_index(str(runs / "vector"), IndexConfig(honbun=tiny.flags["honbun"], output=str(tmp_path), dtype="float32"))
    ((keys, rows),) = Store(str(tmp_path)).chunks(1000)
    texts = {text_key(text): text for text in json.loads(open(tiny.flags["honbun"], encoding="utf-8").read()).values()}
    assert len(keys) == len(texts) == 143
    encoders = (CachedScorer(str(runs / "vector"), name) for name in ("float32", "bfloat16"))
    exact, quick = (scorer.encode("b", [texts[key] for key in keys])["vector"] for scorer in encoders)
    near, far = (quick, exact) if many == 143 else (exact, quick)
    assert np.abs(rows["vector"] - near).max() < 1e-6 < np.abs(rows["vector"] - far).max()


def test_nothing_is_written_for_a_run_without_the_signature(tiny, runs, tmp_path, capsys):
    """An older version wrote such runs."""
    old = shutil.copytree(runs / "vector", tmp_path / "old", ignore=shutil.ignore_patterns("int8", "saved_model"))
    shutil.copytree(runs / "pair" / "saved_model", old / "saved_model")
    flags = ["--honbun", tiny.flags["honbun"], "--output", str(tmp_path / "index"), "--precision", "int8"]
    assert index([str(old), *flags]) == 2
    assert "no signature encode_b_ids" in capsys.readouterr().err
    assert not (tmp_path / "index").exists()

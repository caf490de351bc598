"""Exported folders, read back by our own code: files, figures, model card. `test_export_peers` uses the libraries."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import yaml

from checkpoints_tools import load_encoder
from checkpoints_tools.__main__ import main as checkpoints_tools
from checkpoints_tools.common.streams import printed
from checkpoints_tools.source import open_source
from keras_negaposi.config import TrainConfig
from keras_negaposi.export import main as export
from keras_negaposi.exporting.finished_run import read_finished_model
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, side_of
from keras_negaposi.reporting.model_card import exported_card, write_card
from keras_negaposi.serving.by_ids import run_preprocessor
from keras_negaposi.serving.scorer import Scorer

TOLERANCE = 1e-5
FORMAT = {"pair": "huggingface", "vector": "sentence_transformers"}


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """Head -> the folder for transformers or sentence-transformers."""
    folder = tmp_path_factory.mktemp("exported")
    for head, to in FORMAT.items():
        assert export([str(runs[head]), "--to", to, "--output", str(folder / head)]) == 0
    return {head: folder / head for head in FORMAT}


def tensors(path):
    from safetensors.numpy import load_file

    return load_file(path)


def packed(run, pairs):
    return run_preprocessor(str(run))(*(tf.constant(side) for side in pairs))


def test_a_cross_encoder_scores_as_its_run(runs, exported, pairs):
    inputs = {name: packed(runs["pair"], pairs)[name] for name in ENCODER_INPUTS}
    config = json.loads((exported["pair"] / "config.json").read_text())
    source = open_source(str(exported["pair"]))
    pooled = source.encoder()(inputs)["pooled_output"].numpy()
    logits = pooled @ source.weights["output_weights"].T + source.weights["output_bias"]
    ours = tf.saved_model.load(str(runs["pair"] / "saved_model")).signatures["ids"](**inputs)
    settings = config["keras_negaposi"]
    theirs = tf.nn.softmax(logits / settings["temperature"]).numpy()
    np.testing.assert_allclose(theirs, ours["probabilities"], atol=TOLERANCE)
    np.testing.assert_array_equal(theirs[:, 1] > settings["threshold"], ours["label"].numpy() == 1)
    assert (settings["max_seq_length"], settings["truncate_a"]) == (30, "start")
    assert config["architectures"] == ["BertForSequenceClassification"] and config["id2label"]["1"] == "next"


def test_a_bi_encoder_embeds_both_sides_as_its_run(runs, exported, pairs, cosine_alone):
    """Computed as the modules say: the mean of the tokens, a linear map, length 1; every token type is 0."""
    router = json.loads((exported["vector"] / "router_config.json").read_text())
    assert json.loads((exported["vector"] / "pooling/config.json").read_text())["pooling_mode_mean_tokens"]
    features = packed(runs["vector"], pairs)
    ours = tf.saved_model.load(str(runs["vector"] / "saved_model")).signatures
    vectors, sides = [], {}
    for route, side in (("query", "a"), ("document", "b")):
        encoder, pooling, dense, normalize = router["structure"][route]
        assert (pooling, normalize) == ("pooling", "normalize")
        inputs = side_of(features, side)
        sides[side] = ours[f"encode_{side}_ids"](**inputs)
        expected = sides[side]["vector"].numpy()
        zeros = tf.zeros_like(inputs["input_type_ids"])
        states = load_encoder(None, str(exported["vector"] / encoder))(inputs | {"input_type_ids": zeros})
        mask = inputs["input_mask"].numpy()[:, :, np.newaxis]
        mean = (states["sequence_output"].numpy() * mask).sum(1) / mask.sum(1)
        weights = tensors(exported["vector"] / dense / "model.safetensors")
        vector = mean @ weights["linear.weight"].T + weights["linear.bias"]
        vectors.append(vector / np.linalg.norm(vector, axis=1, keepdims=True))
        np.testing.assert_allclose(vectors[-1], expected, atol=TOLERANCE)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01
    settings = json.loads((exported["vector"] / "config_sentence_transformers.json").read_text())["keras_negaposi"]
    logits = settings["slope"] * (vectors[0] * vectors[1]).sum(1) + settings["offset"]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), cosine_alone(sides), atol=TOLERANCE)


def test_a_long_query_is_cut_where_the_run_cuts_it(exported):
    sides = {route: exported["vector"] / f"{route}_encoder/tokenizer_config.json" for route in ("query", "document")}
    cuts = {route: json.loads(path.read_text())["truncation_side"] for route, path in sides.items()}
    assert cuts == {"query": "left", "document": "right"}


def test_the_tokenizer_has_the_ids_of_the_run(runs, exported):
    ours = run_preprocessor(str(runs["pair"])).tokenizer
    theirs = json.loads((exported["pair"] / "tokenizer.json").read_text())
    pieces = [piece for piece, _ in theirs["model"]["vocab"]]
    assert {piece: number for number, piece in enumerate(pieces)} == ours.vocabulary
    added = {token["content"]: token["id"] for token in theirs["added_tokens"]}
    assert (added["[CLS]"], added["[SEP]"]) == (ours.cls_id, ours.sep_id)
    assert pieces[theirs["model"]["unk_id"]] == "<unk>"
    assert "Lowercase" in [step["type"] for step in theirs["normalizer"]["normalizers"]]


def test_prefixes_are_left_out_and_named(runs):
    model = read_finished_model(str(runs["vector"]))
    assert not [line for line in model.notes() if "prefix" in line]
    prefixed = dataclasses.replace(model, config=dataclasses.replace(model.config, prefix_a="query: "))
    assert [line for line in prefixed.notes() if "prefix" in line] == [
        'the prefix is not exported: put "query: " before every A yourself'
    ]
    assert (prefixed.settings()["prefix_a"], prefixed.settings()["prefix_b"]) == ("query: ", None)


def test_no_file_is_a_program_or_a_pickle(exported):
    names = {path.name for folder in exported.values() for path in folder.rglob("*") if path.is_file()}
    assert {name.rpartition(".")[2] for name in names} == {"json", "safetensors", "md"}


def test_versions_for_a_server_are_counted_and_never_replaced(runs, tmp_path, pairs):
    out = tmp_path / "served"
    for _ in range(2):
        assert export([str(runs["pair"]), "--to=serving", f"--output={out}"]) == 0
    (out / "7").mkdir()
    (out / "notes").write_text("mine")
    assert export([str(runs["pair"]), "--to=serving", f"--output={out}"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["1", "2", "7", "8", "notes"]
    score = Scorer(str(out / "8")).score
    np.testing.assert_array_equal(score(*pairs)[0], Scorer(str(runs["pair"])).score(*pairs)[0])


def metadata(path):
    _, text, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(text), body.partition("\n<!-- keras_negaposi replaces")[0]


@pytest.mark.parametrize("head", FORMAT)
def test_the_model_card(runs, exported, corpus, head):
    values, body = metadata(runs[head] / "README.md")
    metrics = json.loads((runs[head] / "metrics.json").read_text())
    assert (values["language"], values["license"], values["library_name"]) == ("ja", "other", "tf-keras")
    (result,) = values["model-index"][0]["results"]
    found = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert found["accuracy"] == pytest.approx(metrics["eval_accuracy"], abs=1e-4)
    assert metrics["verdict"] in body and all(warning in body for warning in metrics["warnings"])
    given = "" if head == TrainConfig.head else f"--head {head} "
    assert f"train --dev_share 0.3 {given}" in body and "linear probe" in body
    whole = (runs[head] / "README.md").read_text(encoding="utf-8")
    assert not [title for title, text in corpus.items() if title in whole or text in whole]
    theirs, its_body = metadata(exported[head] / "README.md")
    assert theirs == values | {"library_name": FORMAT[head].replace("huggingface", "transformers").replace("_", "-")}
    assert its_body.startswith(body) and "## Use" in its_body


def test_a_card_that_was_changed_by_hand_is_never_replaced(tmp_path, capsys):
    path = tmp_path / "README.md"
    with printed():
        write_card(str(path), "---\nlicense: other\n---\none")
        write_card(str(path), "---\nlicense: other\n---\ntwo")
        assert path.read_text().startswith(
            "---\nlicense: other\n---\ntwo\n<!-- keras_negaposi replaces this file unless"
        )
        assert capsys.readouterr().out == ""
        for changed in (path.read_text().replace("other", "mit"), "my own notes"):
            path.write_text(changed)
            write_card(str(path), "three")
            assert path.read_text() == changed
            assert f"{path}: was changed by hand, so it stays" in capsys.readouterr().out
    path.write_text("---\nlicense: mit\n---\nbody")
    assert exported_card(str(path), "onnx", " use").endswith("---\nbody use")


@pytest.mark.parametrize(
    ("head", "flags", "message"),
    [
        ("vector", "--to huggingface", "holds runs of head pair, and"),
        ("pair", "--to sentence_transformers", "has head pair; give --to huggingface"),
        ("pair", "--output {full}", "not empty (holds mine)"),
        ("pair", "--output gs://bucket/x", "give a local folder"),
        (None, "", "not the folder of a finished run"),
    ],
)
def test_what_cannot_be_exported_is_named(runs, tmp_path, capsys, head, flags, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("")
    run = runs[head] if head else tmp_path / "full"
    given = flags.format(full=tmp_path / "full").split()
    given += [] if "--output" in given else ["--output", str(tmp_path / "out")]
    capsys.readouterr()
    assert export([str(run), *given]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists() and [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_checkpoints_tools_writes_the_same_folder(runs, exported, tmp_path, capsys):
    arguments = ["convert", str(runs["pair"]), "--to", "huggingface", "--output_dir", str(tmp_path / "out")]
    for more in ([], ["--force"]):
        assert checkpoints_tools(arguments + more) == 0
        assert "the whole run was written" in capsys.readouterr().out
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    same = {path.name: path.read_bytes() for path in exported["pair"].iterdir()}
    assert same.items() <= written.items()
    own = {path.name for path in runs["pair"].iterdir() if path.suffix in (".model", ".vocab")}
    assert own and written.keys() - same.keys() == own | {"conversion.json"}


def test_checkpoints_tools_says_what_writes_another_run(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert checkpoints_tools(["convert", str(runs["vector"]), "--to", "huggingface", "--output_dir", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "only the BERT was written" in printed and "give --to sentence_transformers" in printed
    assert json.loads((out / "config.json").read_text())["architectures"] == ["BertModel"]

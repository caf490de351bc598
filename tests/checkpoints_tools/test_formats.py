"""Checkpoints of every format: bit-exact round trips, files of other programs, and rejected files."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from checkpoints_tools import InputError, load_encoder
from checkpoints_tools.bert_config import FORMATS
from checkpoints_tools.common.files import staged_folder
from checkpoints_tools.conversion import convert
from checkpoints_tools.encoder import build_encoder, encoder_to_tf1
from checkpoints_tools.source import infer_config, open_source, open_weights
from tests.helpers.checkpoints import CONFIG, all_variables, assert_same, is_weight, save_tf1, write_config
from tests.helpers.runs import QUICK


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, FORMATS)))
def test_round_trips_are_bit_exact(tmp_path, first, second):
    variables = all_variables()
    path = save_tf1(tmp_path / "original", variables)
    for number, to in enumerate((first, second, "tf1")):
        source = open_source(path)
        path = str(tmp_path / f"{number}-{to}")
        convert(source, path, to)
        assert open_weights(path).kind == to
        assert_same(open_weights(path), variables)
        assert open_source(path).config == CONFIG


@pytest.mark.parametrize("scope", ["", "outer/", "tower/outer/"])
def test_other_scopes(tmp_path, scope):
    variables = all_variables()
    renamed = {scope + name if scope else name.removeprefix("bert/"): value for name, value in variables.items()}
    assert_same(open_weights(save_tf1(tmp_path / "scoped", renamed)), variables)


def encoder_with(variables):
    encoder = build_encoder(CONFIG)
    from checkpoints_tools.encoder import assign_encoder

    assign_encoder(encoder, variables, CONFIG)
    return encoder


def write_v2(folder, variables):
    """Saves tf-models' newer encoder class with tf.train.Checkpoint."""
    import tensorflow as tf
    from official.nlp.modeling import networks

    encoder = networks.BertEncoderV2(
        vocab_size=CONFIG.vocab_size,
        hidden_size=CONFIG.hidden_size,
        num_layers=CONFIG.num_hidden_layers,
        num_attention_heads=CONFIG.num_attention_heads,
        inner_dim=CONFIG.intermediate_size,
        max_sequence_length=CONFIG.max_position_embeddings,
        type_vocab_size=CONFIG.type_vocab_size,
    )
    encoder({name: tf.ones([1, 3], tf.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")})
    encoder.set_weights(encoder_with(variables).get_weights())
    tf.train.Checkpoint(model=encoder).save(str(folder / "ckpt"))
    return str(folder)


def write_with_tf_models_converter(folder, variables):
    """Converts from TF1 to TF2 with tf-models' own converter."""
    from official.legacy.bert.configs import BertConfig as TheirConfig
    from official.nlp.tools.tf2_bert_encoder_checkpoint_converter import convert_checkpoint

    path = save_tf1(folder / "tf1", variables)
    theirs = TheirConfig.from_json_file(f"{path}/bert_config.json")
    convert_checkpoint(theirs, str(folder / "theirs/bert_model.ckpt"), f"{path}/model.ckpt-7", "encoder")
    return str(folder / "theirs")


def write_saved_model(folder, variables):
    encoder_with(variables).save(str(folder / "model"))
    return str(folder / "model")


def write_h5(folder, variables):
    encoder_with(variables).save_weights(str(folder / "encoder.h5"))
    return str(folder / "encoder.h5")


def write_nameless_h5(folder, variables):
    encoder_with(variables).save_weights(str(folder / "encoder.weights.h5"))
    return str(folder / "encoder.weights.h5")


@pytest.mark.parametrize(
    "write", [write_v2, write_with_tf_models_converter, write_saved_model, write_h5, write_nameless_h5]
)
def test_what_tf_models_and_keras_write(tmp_path, write):
    variables = {name: value for name, value in all_variables().items() if name.startswith("bert/")}
    source = open_source(write(tmp_path, variables), str(write_config(tmp_path)))
    assert_same(source.weights, variables)
    assert source.weights.known["num_attention_heads"] == CONFIG.num_attention_heads


def test_a_nameless_keras_file_needs_a_config(tmp_path):
    path = write_nameless_h5(tmp_path, all_variables())
    with pytest.raises(InputError, match="give --bert_config_file"):
        open_source(path)
    with pytest.raises(InputError, match="does not match"):
        open_source(path, str(write_config(tmp_path, intermediate_size=21)))


def test_the_config_is_inferred_from_shapes(tmp_path):
    path = save_tf1(tmp_path / "bare", all_variables())
    os.remove(tmp_path / "bare/bert_config.json")
    with pytest.raises(InputError, match="give --bert_config_file, or --num_attention_heads"):
        open_source(path)
    inferred = open_source(path, num_attention_heads=3).config
    assert inferred == CONFIG
    convert(open_source(path, num_attention_heads=3), str(tmp_path / "tf2"), "tf2")
    os.remove(tmp_path / "tf2/bert_config.json")
    assert infer_config(open_weights(str(tmp_path / "tf2"))) == CONFIG  # the kernels' shapes have the number of heads


def test_exact_gelu_and_epsilon_are_converted(tmp_path):
    config = dataclasses.replace(CONFIG, gelu_approximate=False, layer_norm_eps=1e-3)
    path = save_tf1(tmp_path / "a", all_variables(), config)
    for to in (*FORMATS, "tf1"):
        convert(open_source(path), str(tmp_path / f"to-{to}"), to, force=True)
        path = str(tmp_path / f"to-{to}")
        assert open_source(path).config == config
    values = json.loads((tmp_path / "to-huggingface/config.json").read_text())
    assert (values["hidden_act"], values["layer_norm_eps"], values["model_type"]) == ("gelu", 1e-3, "bert")
    inputs = {name: np.ones((1, 5), np.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")}
    ours = load_encoder(None, path)(inputs)["sequence_output"]
    theirs = load_encoder(str(write_config(tmp_path)), path)(inputs)["sequence_output"]
    assert np.abs(ours - theirs).max() > 1e-4


def test_half_precision_and_shards(tmp_path):
    import tensorflow as tf
    from safetensors.numpy import load_file, save_file

    variables = all_variables()
    convert(open_source(save_tf1(tmp_path / "a", variables)), str(tmp_path / "hf"), "huggingface")
    folder = tmp_path / "hf"
    tensors = load_file(folder / "model.safetensors")
    half = {name: value.astype(tf.bfloat16.as_numpy_dtype) for name, value in tensors.items()}
    names = sorted(half)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: half[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    os.remove(folder / "model.safetensors")
    weights = open_source(str(folder)).weights
    assert {variable.dtype for variable in weights.variables.values()} == {"bfloat16"}
    rounded = {
        name: value.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
        for name, value in variables.items()
        if is_weight(name)
    }
    assert_same(weights, rounded)
    os.remove(folder / "two.safetensors")
    with pytest.raises(InputError, match="two.safetensors: the shard"):
        open_source(str(folder))


def test_a_run_goes_back_to_tf1_with_its_head(finished_run, tmp_path):
    """The TF1 checkpoint has the names and layout that run_classifier.py restores, and gives the same probabilities."""
    import tensorflow as tf

    folder = finished_run(tmp_path / "run", **QUICK)
    source = open_source(str(folder))
    assert not source.weights.others
    result = convert(source, str(tmp_path / "tf1"), "tf1")
    assert "output_weights" not in result.left_out
    weights = open_source(str(tmp_path / "tf1")).weights
    assert weights.variables["output_weights"].shape == (2, source.config.hidden_size)
    assert (tmp_path / "tf1/tokenizer.vocab").exists()

    rng = np.random.default_rng(0)
    inputs = {
        "input_word_ids": rng.integers(0, source.config.vocab_size, (4, 9)).astype(np.int32),
        "input_mask": np.ones((4, 9), np.int32),
        "input_type_ids": np.zeros((4, 9), np.int32),
    }
    pooled = load_encoder(None, str(tmp_path / "tf1"))(inputs)["pooled_output"].numpy()
    # run_classifier.py: tf.matmul(output_layer, output_weights, transpose_b=True) + output_bias
    logits = pooled @ weights["output_weights"].T + weights["output_bias"]
    ids = tf.saved_model.load(str(folder / "saved_model")).signatures["ids"]
    expected = ids(**{name: tf.constant(value) for name, value in inputs.items()})["probabilities"].numpy()
    np.testing.assert_allclose(tf.nn.softmax(logits).numpy(), expected, rtol=0, atol=1e-6)


def test_the_training_checkpoints_of_a_run(finished_run, tmp_path):
    """The optimizer's moments are counted as slots, and its iterations are the step."""
    finished_run(tmp_path / "run", **QUICK)
    weights = open_source(str(tmp_path / "run/checkpoints"), str(tmp_path / "run/bert_config.json")).weights
    total = json.loads((tmp_path / "run/config.json").read_text())["total_steps"]
    assert weights.global_step == total
    assert weights.slots >= 2 * len([name for name in weights if is_weight(name)])
    for name in open_weights(str(tmp_path / "run")):
        np.testing.assert_array_equal(weights[name], open_weights(str(tmp_path / "run"))[name])


def test_nothing_is_overwritten_without_force(tmp_path):
    source = open_source(save_tf1(tmp_path / "a", all_variables()))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match="holds mine.txt"):
            convert(source, str(tmp_path / "out"), "tf1", force=force)
    assert os.listdir(tmp_path / "out") == ["mine.txt"]


def test_a_killed_process_leaves_no_incomplete_folder(tmp_path):
    code = (
        "import os, sys\n"
        "from checkpoints_tools.common.files import staged_folder\n"
        "with staged_folder(sys.argv[1]) as folder:\n"
        "    open(os.path.join(folder, 'bert_model.ckpt.index'), 'w').write('half')\n"
        "    os._exit(9)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], timeout=60)
    assert result.returncode == 9
    assert not (tmp_path / "out").exists()
    with pytest.raises(ZeroDivisionError), staged_folder(str(tmp_path / "other")) as folder:
        assert os.path.isdir(folder)
        raise ZeroDivisionError
    assert not [name for name in os.listdir(tmp_path) if "other" in name] and not os.path.exists(folder)


def test_to_and_from_an_object_store(tmp_path):
    variables = all_variables()
    convert(open_source(save_tf1(tmp_path / "a", variables)), "ram://store/bert", "tf1")
    assert_same(open_source("ram://store/bert").weights, variables)


def test_a_sentencepiece_model_gets_its_vocabulary(tiny, tmp_path):
    import shutil

    convert(open_source(str(tiny.folder)), str(tmp_path / "hf"), "huggingface")
    vocabulary = (tmp_path / "hf/wiki-ja.vocab").read_text(encoding="utf-8")
    os.remove(tmp_path / "hf/wiki-ja.vocab")
    notes = convert(open_source(str(tmp_path / "hf")), str(tmp_path / "tf1"), "tf1").notes
    assert notes == ["tokenizer: wiki-ja.model, and a .vocab file created from it"]
    created = (tmp_path / "tf1/wiki-ja.vocab").read_text(encoding="utf-8")
    assert [line.split("\t")[0] for line in created.splitlines()] == [
        line.split("\t")[0] for line in vocabulary.splitlines()
    ]
    os.remove(tmp_path / "hf/wiki-ja.model")
    shutil.copy(tiny.flags["vocab_file"], tmp_path / "hf/vocab.txt")
    notes = convert(open_source(str(tmp_path / "hf")), str(tmp_path / "again"), "tf1").notes
    assert "WordPiece" in notes[0]


@pytest.mark.parametrize("to", ["tf2", "huggingface"])
def test_commands_take_every_format(tiny, tmp_path, to):
    """Every format gives bit-identical embeddings, so a cache of one format serves the others."""
    from keras_negaposi.config import BaselineConfig, complete_model_files
    from keras_negaposi.evaluation.embedding_cache import text_vectors
    from keras_negaposi.modeling.pretrained import read_pretrained

    convert(open_source(str(tiny.folder)), str(tmp_path / to), to)
    vectors = []
    for path in (str(tiny.folder), str(tmp_path / to)):
        values = complete_model_files({"init_checkpoint": path})
        config = BaselineConfig(**values, max_seq_length=20, precision="float32")
        kept = str(tmp_path / "vectors.npz")
        vectors.append(text_vectors(config, read_pretrained(config), ["りんごを買う。", "山"], kept))
        changed = os.path.getmtime(kept)
    assert vectors[0].keys() == vectors[1].keys() and changed
    for name, vector in vectors[0].items():
        np.testing.assert_array_equal(vector, vectors[1][name])


def test_the_encoder_has_the_values_of_the_checkpoint(tmp_path):
    variables = all_variables()
    source = open_source(save_tf1(tmp_path / "a", variables))
    for name, value in encoder_to_tf1(source.encoder(), source.config).items():
        np.testing.assert_array_equal(value, variables[name])

"""Loading TF1 checkpoints into a BertEncoder: numerics, names and rejected checkpoints."""

import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest

from checkpoints_tools import InputError, load_encoder
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder, encoder_to_tf1
from checkpoints_tools.formats.tf1 import resolve_prefix, write_checkpoint
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import TINY, random_tf1_variables

SIZES = [
    TINY,
    TINY
    | {"vocab_size": 31, "hidden_size": 10, "num_attention_heads": 5, "num_hidden_layers": 3, "type_vocab_size": 4},
    TINY | {"hidden_size": 7, "num_attention_heads": 1, "intermediate_size": 9, "max_position_embeddings": 11},
]


def save(folder, values, variables):
    (folder / "bert_config.json").write_text(json.dumps(values))
    write_checkpoint(str(folder / "model.ckpt-3"), variables)
    return str(folder / "bert_config.json"), str(folder)


def random_inputs(config, length, rows=3):
    rng = np.random.default_rng(5)
    mask = rng.integers(0, 2, (rows, length))  # with holes
    mask[:, 0] = 1
    return {
        "input_word_ids": rng.integers(0, config.vocab_size, (rows, length)).astype(np.int32),
        "input_mask": mask.astype(np.int32),
        "input_type_ids": rng.integers(0, config.type_vocab_size, (rows, length)).astype(np.int32),
    }


@pytest.mark.shared
def test_golden_outputs_of_the_original_code(shared):
    folder = shared / "checkpoints/ja-e5-small"
    golden = np.load(shared / "golden/ja-e5-small.npz")
    outputs = load_encoder(str(folder / "bert_config.json"), str(folder))(
        {
            "input_word_ids": golden["input_ids"],
            "input_mask": golden["input_mask"],
            "input_type_ids": golden["segment_ids"],
        }
    )
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(outputs[name].numpy(), golden[name], rtol=0, atol=1e-5)
    first_tokens = np.stack([layer[:, 0] for layer in outputs["encoder_outputs"]], axis=1)
    np.testing.assert_allclose(first_tokens, golden["first_token_all_layers"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("values", SIZES)
def test_tiny_checkpoints_agree_with_numpy(tmp_path, values):
    config = BertConfig(**values)
    variables = random_tf1_variables(config, seed=values["hidden_size"])
    encoder = load_encoder(*save(tmp_path, values, variables))
    inputs = random_inputs(config, length=config.max_position_embeddings)
    outputs = encoder(inputs)
    layers, pooled = bert(variables, config, *inputs.values())
    assert len(outputs["encoder_outputs"]) == config.num_hidden_layers
    for ours, theirs in zip(outputs["encoder_outputs"], layers, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["sequence_output"].numpy(), layers[-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"].numpy(), pooled, rtol=0, atol=1e-5)


def test_padding_changes_nothing(tmp_path):
    config = BertConfig(**TINY)
    encoder = load_encoder(*save(tmp_path, TINY, random_tf1_variables(config)))
    inputs = random_inputs(config, length=9)
    inputs["input_mask"][:] = 1
    padded = {name: np.pad(value, [(0, 0), (0, 4)]) for name, value in inputs.items()}
    padded["input_word_ids"][:, 9:] = 3  # any id, as the mask hides it
    short, long = encoder(inputs), encoder(padded)
    np.testing.assert_allclose(short["sequence_output"], long["sequence_output"][:, :9], rtol=0, atol=1e-6)
    np.testing.assert_allclose(short["pooled_output"], long["pooled_output"], rtol=0, atol=1e-6)


def test_weights_go_back_to_tf1_bit_by_bit(tmp_path):
    config = BertConfig(**TINY)
    variables = random_tf1_variables(config)
    encoder = load_encoder(*save(tmp_path, TINY, variables))
    back = encoder_to_tf1(encoder, config)
    assert back.keys() == {name for name in variables if name.startswith("bert/") and "adam" not in name}
    for name, value in back.items():
        np.testing.assert_array_equal(value, variables[name])


def test_encoder_config_can_be_restored():
    encoder = build_encoder(BertConfig(**TINY))
    assert type(encoder).from_config(encoder.get_config()).count_params() == encoder.count_params()


def test_the_ini_of_bert_japanese(tmp_path):
    ini = tmp_path / "config.ini"
    ini.write_text("[DATA]\nTEXTDIR = ./text\n\n[BERT-CONFIG]\nvocab_size = 120\nhidden_size = 24\nhidden_act = gelu\n")
    config = BertConfig.from_file(str(ini))
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (120, 24, 12)


@pytest.mark.parametrize("form", ["model.ckpt-3", "model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001", "", "/"])
def test_a_checkpoint_is_found_from_any_of_its_names(tmp_path, form):
    write_checkpoint(str(tmp_path / "model.ckpt-3"), {"x": np.zeros(2, np.float32)})
    given = f"{tmp_path}{form}" if form == "/" else f"{tmp_path}/{form}".rstrip("/")
    assert resolve_prefix(given) == str(tmp_path / "model.ckpt-3")


def test_a_folder_means_its_latest_checkpoint_also_without_a_state_file(tmp_path):
    for step in (9, 100, 20):
        write_checkpoint(str(tmp_path / f"model.ckpt-{step}"), {"x": np.zeros(2, np.float32)})
    (tmp_path / "checkpoint").unlink()
    assert resolve_prefix(str(tmp_path)).endswith("model.ckpt-100")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-20"\n')
    assert resolve_prefix(str(tmp_path)).endswith("model.ckpt-20")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/somewhere/else/model.ckpt-20"\n')
    assert resolve_prefix(str(tmp_path)).endswith("model.ckpt-100")


def test_the_message_lists_the_content_of_the_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="notes.txt"):
        resolve_prefix(str(tmp_path))
    with pytest.raises(InputError, match="notes.txt"):
        resolve_prefix(str(tmp_path / "model.ckpt-5"))
    with pytest.raises(InputError, match="does not exist"):
        resolve_prefix(str(tmp_path / "nowhere/model.ckpt-5"))


def test_missing_unexpected_and_reshaped_variables_are_named(tmp_path):
    variables = random_tf1_variables(BertConfig(**TINY))
    del variables["bert/encoder/layer_1/output/dense/bias"]
    variables["bert/encoder/layer_2/output/dense/bias"] = np.zeros(12, np.float32)
    variables["bert/embeddings/position_embeddings"] = np.zeros((41, 12), np.float32)
    with pytest.raises(InputError) as caught:
        load_encoder(*save(tmp_path, TINY, variables))
    message = str(caught.value)
    assert "1 missing: bert/encoder/layer_1/output/dense/bias" in message
    assert "1 unexpected: bert/encoder/layer_2/output/dense/bias" in message
    assert "position_embeddings is [41, 12] in the checkpoint, [40, 12] in the config" in message


@pytest.mark.parametrize("name", ["bert/pooler/dense/bias", "bert/embeddings/word_embeddings"])
def test_an_incomplete_checkpoint_is_rejected(tmp_path, name):
    variables = random_tf1_variables(BertConfig(**TINY))
    del variables[name]
    with pytest.raises(InputError, match=f"1 missing: {name}"):
        load_encoder(*save(tmp_path, TINY, variables))


def test_a_missing_pooler_is_initialised_with_a_warning(tmp_path, caplog):
    config = BertConfig(**TINY)
    variables = random_tf1_variables(config)
    bare = {name: value for name, value in variables.items() if "pooler" not in name}
    with caplog.at_level(logging.WARNING):
        encoder = load_encoder(*save(tmp_path, TINY, bare))
    assert "bert/pooler/dense/kernel" in caplog.text
    kernel = encoder_to_tf1(encoder, config)["bert/pooler/dense/kernel"]
    assert 0 < np.abs(kernel).max() < 0.05  # truncated normal, 0.02


def test_a_missing_data_file_is_named(tmp_path):
    config_file, folder = save(tmp_path, TINY, random_tf1_variables(BertConfig(**TINY)))
    (tmp_path / "model.ckpt-3.data-00000-of-00001").unlink()
    with pytest.raises(InputError, match="no .data file"):
        load_encoder(config_file, folder)


def test_the_given_config_takes_precedence(tmp_path):
    values = dataclasses.asdict(BertConfig(**TINY))
    config_file, folder = save(tmp_path, values, random_tf1_variables(BertConfig(**TINY)))
    shutil.copy(config_file, tmp_path / "other.json")
    (tmp_path / "other.json").write_text(json.dumps(values | {"num_hidden_layers": 3}))
    with pytest.raises(InputError, match="16 missing: bert/encoder/layer_2"):
        load_encoder(str(tmp_path / "other.json"), folder)

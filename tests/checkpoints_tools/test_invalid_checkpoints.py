"""Checkpoints that are damaged, incomplete or of another model: rejected in one line."""

import json
import os

import numpy as np
import pytest

from checkpoints_tools import InputError
from checkpoints_tools.conversion import convert
from checkpoints_tools.formats.tf1 import write_checkpoint
from checkpoints_tools.source import open_source, open_weights
from tests.helpers.checkpoints import all_variables, assert_same, save_tf1, write_config


def change(name, value):
    def apply(variables):
        variables[name] = value(variables[name])

    return apply


def rename(old, new):
    def apply(variables):
        for name in [name for name in variables if old in name]:
            variables[name.replace(old, new)] = variables.pop(name)

    return apply


def put_nan(value):
    value = value.copy()
    value.flat[5] = np.nan
    return value


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (change("bert/pooler/dense/kernel", lambda v: v[:, :5]), r"pooler/dense/kernel is \[12, 5\]"),
        (change("bert/encoder/layer_1/output/dense/kernel", put_nan), "layer_1/output/dense/kernel holds NaN"),
        (rename("encoder/layer_0", "encoder/transformer/group_0/inner_group_0"), "an ALBERT, not a BERT"),
        (rename("bert/", "electra/"), "an ELECTRA, not a BERT"),
        (rename("bert/", "roberta."), "a RoBERTa, not a BERT"),
        (rename("bert/", "gpt/"), "not a BERT; it has no variables"),
    ],
)
def test_other_checkpoints_are_rejected(tmp_path, fault, message):
    variables = all_variables()
    fault(variables)
    path = save_tf1(tmp_path / "bad", variables)
    with pytest.raises(InputError, match=message):
        convert(open_source(path), str(tmp_path / "out"), "huggingface")
    assert sorted(os.listdir(tmp_path)) == ["bad"]


@pytest.mark.parametrize("kind", ["tf1", "tf2"])
def test_damaged_data_is_rejected(tmp_path, kind):
    convert(open_source(save_tf1(tmp_path / "a", all_variables())), str(tmp_path / "b"), kind)
    data = tmp_path / "b/bert_model.ckpt.data-00000-of-00001"
    whole = data.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (bytes(flipped), whole[: len(whole) // 2]):
        data.write_bytes(content)
        with pytest.raises(InputError, match="copy the checkpoint again"):
            convert(open_source(str(tmp_path / "b")), str(tmp_path / "out"), "huggingface")
        assert not (tmp_path / "out").exists()
    data.unlink()
    with pytest.raises(InputError, match="no .data file"):
        open_source(str(tmp_path / "b"))


def test_a_missing_shard_of_tensorflow_is_rejected(tmp_path):
    import tensorflow as tf

    variables = all_variables()
    names = sorted(variables)
    for number, part in enumerate((names[::2], names[1::2])):
        write_checkpoint(str(tmp_path / f"part{number}"), {name: variables[name] for name in part})
    parts = [str(tmp_path / f"part{number}") for number in range(2)]
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=parts, destination_prefix=str(tmp_path / "model.ckpt"), delete_old_dirs=False
    )
    config_file = str(write_config(tmp_path))
    assert_same(open_source(str(tmp_path / "model.ckpt"), config_file).weights, variables)
    (tmp_path / "model.ckpt.data-00001-of-00002").unlink()
    source = open_source(str(tmp_path / "model.ckpt"), config_file)
    with pytest.raises(InputError, match="copy the checkpoint again"):
        convert(source, str(tmp_path / "out"), "tf2")
    assert not (tmp_path / "out").exists()


def test_a_cut_safetensors_file_is_rejected(tmp_path):
    convert(open_source(save_tf1(tmp_path / "a", all_variables())), str(tmp_path / "b"), "huggingface")
    file = tmp_path / "b/model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        open_source(str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta"}, 'model_type is "roberta"'),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "relative positions"),
        ({"model_type": "bert", "hidden_act": "relu"}, 'hidden_act "relu" is not supported'),
    ],
)
def test_configs_of_other_models_are_rejected(tmp_path, values, message):
    convert(open_source(save_tf1(tmp_path / "a", all_variables())), str(tmp_path / "b"), "huggingface")
    file = tmp_path / "b/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    with pytest.raises(InputError, match=message):
        open_source(str(tmp_path / "b"))


def test_empty_folders_and_pickles_are_rejected(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        open_weights(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="as safetensors"):
        open_weights(str(tmp_path))


def test_heads_of_config_and_checkpoint_must_agree(tmp_path):
    convert(open_source(save_tf1(tmp_path / "a", all_variables())), str(tmp_path / "tf2"), "tf2")
    with pytest.raises(InputError, match="3 attention heads in the checkpoint, 4 in the config"):
        open_source(str(tmp_path / "tf2"), str(write_config(tmp_path, num_attention_heads=4)))


def test_a_tokenizer_in_one_json_file_is_rejected_by_the_commands(tiny, tmp_path, capsys):
    from keras_negaposi.train import main

    convert(open_source(str(tiny.folder)), str(tmp_path / "hf"), "huggingface")
    for name in ("wiki-ja.model", "wiki-ja.vocab"):
        os.remove(tmp_path / "hf" / name)
    (tmp_path / "hf/tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    flags = [f"--{name}={tiny.flags[name]}" for name in ("honbun", "negaposi")]
    assert main([*flags, f"--init_checkpoint={tmp_path}/hf", f"--output_dir={tmp_path}/run"]) == 2
    line = capsys.readouterr().err
    assert "hf/tokenizer.json: the only tokenizer file, and it cannot be read; put the vocab.txt or" in line
    assert not (tmp_path / "run").exists()

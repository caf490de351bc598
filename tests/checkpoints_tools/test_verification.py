"""The commands inspect, convert and verify, and faults that verify must name."""

import dataclasses
import json
import os

import numpy as np
import pytest

from checkpoints_tools import InputError
from checkpoints_tools.__main__ import main
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.conversion import convert
from checkpoints_tools.inspection import inspect
from checkpoints_tools.source import open_source
from checkpoints_tools.verification import make_inputs, verify
from tests.helpers.checkpoints import CONFIG, all_variables, save_tf1
from tests.helpers.tiny_bert import TINY, random_tf1_variables


@pytest.fixture
def original(tmp_path):
    return open_source(save_tf1(tmp_path / "original", all_variables()))


def other(tmp_path, variables=None, **config):
    return open_source(
        save_tf1(tmp_path / "other", variables or all_variables(), dataclasses.replace(CONFIG, **config))
    )


def test_equal_checkpoints(original, tmp_path):
    result = verify(original, other(tmp_path))
    assert result.first_difference is None and not result.likely_causes
    assert [d.output for d in result.differences] == ["embeddings", "layer 0", "layer 1", "pooled output"]


@pytest.mark.parametrize(
    ("change", "output", "message"),
    [
        (
            {"gelu_approximate": False},
            "layer 0",
            "gelu, tanh approximation (True) or exact (False): True and False",
        ),
        ({"layer_norm_eps": 1e-3}, "embeddings", "LayerNorm epsilon: 1e-12 and 0.001"),
        ({"num_attention_heads": 4}, "layer 0", "number of attention heads: 3 and 4"),
    ],
)
def test_faults_of_the_config_are_named(original, tmp_path, change, output, message):
    result = verify(original, other(tmp_path, **change))
    assert result.first_difference.output == output
    assert result.likely_causes == [message]


def test_two_faults_are_both_named(original, tmp_path):
    result = verify(original, other(tmp_path, num_attention_heads=4, layer_norm_eps=1e-3))
    assert len(result.likely_causes) == 2 and all(cause.endswith("but not alone") for cause in result.likely_causes)


def test_a_transposed_kernel_is_named(original, tmp_path):
    variables = all_variables()
    name = "bert/encoder/layer_1/attention/self/key/kernel"
    variables[name] = variables[name].T.copy()
    result = verify(original, other(tmp_path, variables))
    assert result.first_difference.output == "layer 1"
    assert result.likely_causes == [f"transposed kernels: {name}"]


def test_another_value_is_named(original, tmp_path):
    variables = all_variables()
    name = "bert/encoder/layer_0/output/dense/bias"
    variables[name] = variables[name] + np.arange(12, dtype=np.float32)
    result = verify(original, other(tmp_path, variables))
    assert result.first_difference.output == "layer 0"
    assert (
        "different values in 1 of" in result.likely_causes[0] and "layer_0/output/dense/bias" in result.likely_causes[0]
    )


def test_a_missing_pooler_is_named(original, tmp_path):
    variables = {name: value for name, value in all_variables().items() if "pooler" not in name}
    result = verify(original, other(tmp_path, variables))
    assert result.first_difference.output == "pooled output"
    assert "has no pooler" in result.likely_causes[0]


def test_other_sizes_cannot_be_compared(original, tmp_path):
    config = BertConfig(**TINY | {"num_hidden_layers": 1})
    one_layer = open_source(save_tf1(tmp_path / "other", random_tf1_variables(config), config))
    with pytest.raises(InputError, match="num_hidden_layers is 2 and 1"):
        verify(original, one_layer)


def test_inputs_cover_lengths_masks_and_types():
    inputs = list(make_inputs(CONFIG, 40))
    assert [batch["input_word_ids"].shape[1] for batch in inputs] == [8, 8, 40, 40]
    assert any((batch["input_mask"] == 0).any() for batch in inputs)
    assert {0, 1} == set(np.concatenate([batch["input_type_ids"].ravel() for batch in inputs]).tolist())
    again = list(make_inputs(CONFIG, 40))
    assert all((a["input_word_ids"] == b["input_word_ids"]).all() for a, b in zip(inputs, again, strict=True))


def test_inspect_reports_the_content(tmp_path):
    variables = all_variables()
    result = inspect(save_tf1(tmp_path / "a", variables))
    weights = {name: value for name, value in variables.items() if "adam" not in name}
    assert result.format == "tf1" and result.pooler and not result.problems
    assert result.optimizer_slots == 2 and result.global_step == 7
    assert result.parameters == sum(value.size for value in weights.values())
    assert result.encoder_parameters == sum(v.size for name, v in weights.items() if name.startswith("bert/"))
    assert result.architecture == {
        name: TINY[name]
        for name in (
            "vocab_size",
            "hidden_size",
            "max_position_embeddings",
            "type_vocab_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
        )
    }
    assert result.dtypes == {"float32": len(weights) - 1, "int64": 1}
    assert result.largest[0] == {"name": "bert/embeddings/word_embeddings", "shape": [120, 12], "dtype": "float32"}
    assert "TF1, by name" in result.table()


def test_inspect_without_a_config(tmp_path):
    """Only TF2's shapes have the number of attention heads."""
    path = save_tf1(tmp_path / "a", all_variables())
    convert(open_source(path), str(tmp_path / "tf2"), "tf2")
    for folder, heads in ((path, None), (str(tmp_path / "tf2"), 3)):
        os.remove(f"{folder}/bert_config.json")
        result = inspect(folder)
        assert result.architecture["num_attention_heads"] == heads
        assert not result.problems and result.config_file is None
        assert ("unknown" in result.table()) == (heads is None)
    assert inspect(path, num_attention_heads=5).problems  # 12 is not a multiple of it


def test_inspect_reports_mismatches(tmp_path, capsys):
    path = save_tf1(tmp_path / "a", all_variables(), dataclasses.replace(CONFIG, num_hidden_layers=3))
    (tmp_path / "x.vocab").write_text("a\t0\nb\t0\n")
    assert main(["inspect", path, "--vocab_file", str(tmp_path / "x.vocab"), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert "16 missing" in problems[0] and "2 pieces, but 120 word embeddings" in problems[1]


@pytest.mark.parametrize("tolerance", ["nan", "inf", "-1"])
def test_an_invalid_tolerance_is_rejected(original, tolerance, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify", original.path, original.path, f"--tolerance={tolerance}"])
    assert ended.value.code == 2
    assert "--tolerance" in capsys.readouterr().err


def test_the_commands(tmp_path, capsys):
    path = save_tf1(tmp_path / "a", all_variables())
    assert main(["convert", path, "--to", "huggingface", "--output_dir", str(tmp_path / "hf")]) == 0
    assert "equal bit by bit\nleft out: global_step, 2 optimizer slots" in capsys.readouterr().out
    assert main(["verify", path, str(tmp_path / "hf")]) == 0
    changed = dataclasses.replace(CONFIG, layer_norm_eps=1e-3)
    (tmp_path / "other.json").write_text(json.dumps(changed.to_google()))
    flags = ["--bert_config_file_b", str(tmp_path / "other.json")]
    assert main(["verify", path, str(tmp_path / "hf"), *flags]) == 1
    assert "the first difference is in: embeddings" in capsys.readouterr().out
    assert main(["verify", path, str(tmp_path / "hf"), *flags, "--tolerance", "100"]) == 0
    capsys.readouterr()
    for command in (
        ["inspect", str(tmp_path / "nowhere")],
        ["convert", path, "--to", "tf1", "--output_dir", str(tmp_path / "hf")],
        ["verify", path, str(tmp_path)],
    ):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith("python -m checkpoints_tools: error: ") and error.count("\n") == 1

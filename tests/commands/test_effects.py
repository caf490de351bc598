"""A flag that has no effect in combination with the others is rejected by name, in every command."""

import dataclasses
import json

import pytest

from checkpoints_tools import __main__ as checkpoints
from checkpoints_tools.common.cli import make_config
from keras_negaposi import config, train
from keras_negaposi.config.using import LINK_FORMATS
from tests.helpers.commands import COMMANDS, refusal

TOKENIZER = ("tokenizer", "tokenizer_config_file", "do_lower_case")
ALWAYS = {
    "train": (
        *("honbun", "negaposi", "init_checkpoint", "bert_config_file", *TOKENIZER),
        *(
            "max_seq_length",
            "truncate_a",
            "prefix_a",
            "prefix_b",
            "split",
            "test_share",
            "dev_share",
            "group_pattern",
            "seed",
            "split_seed",
        ),
        *("next_page_pairs", "head", "frozen_layers", "strategy", "steps_per_execution", "jit_compile"),
        *("records", "train_batch_size", "length_buckets", "eval_batch_size", "learning_rate", "head_learning_rate"),
        "recipe",
        *("num_train_epochs", "max_steps", "warmup_proportion", "adam_bias_correction", "precision"),
        *("save_checkpoints_steps", "log_every_steps"),
        *("output_dir", "resume"),
    ),
    "prepare": (
        *("honbun", "negaposi", *TOKENIZER, "max_seq_length", "truncate_a", "prefix_a", "prefix_b", "split"),
        *("test_share", "dev_share", "group_pattern", "split_seed", "next_page_pairs", "head", "runner", "output_dir"),
    ),
    "baseline": (
        *("honbun", "negaposi", "init_checkpoint", "bert_config_file", *TOKENIZER),
        *("max_seq_length", "split", "test_share", "dev_share", "group_pattern", "seed", "split_seed"),
        *("next_page_pairs", "pooling", "embedded_pairs", "encode_batch_size", "precision"),
        *("embedding_cache", "output_dir"),
    ),
    "evaluate": ("honbun", "negaposi", "precision"),
    "export": ("to", "output"),
    "predict": ("input", "columns", "output", "batch_size", "precision", "runner"),
    "index": ("run", "honbun", "output"),
    "suggest": ("title", "text", "top", "rerank", "min_probability", "html", "run", "approximate", "fail_on_warning"),
    "pairs": (
        *("output", "format", "positive", "negative", "count", "min_length", "min_japanese", "keep_duplicates"),
        *("group_pattern", "seed", "decisions"),
    ),
    "serve": (*("mcp", "timeout", "decisions", "watch", "run", "approximate"),),
    "doctor": ("tpu",),
    "make": tuple(field.name for field in dataclasses.fields(COMMANDS["make"][2])),
}
"""Flags that have an effect whatever the others are. ``suggest --approximate`` depends on the index, which decides."""

ENGINE = {"runner_options": "--runner_options a=b", "runner_folder": "--runner_folder x"}
TPU = {"tpu_zone": "--tpu local --tpu_zone z", "gcp_project": "--tpu grpc://10.0.0.1:8470 --gcp_project p"}
FILES = "--honbun h --negaposi n --model_file m --vocab_file v --output_dir o "
FOREIGN_FILES = {
    "model_file": FILES + "--tokenizer wordpiece --init_checkpoint c",
    "vocab_file": FILES + "--tokenizer xlmr --init_checkpoint c",
}
TABLE = {"pairs": FILES + "--init_checkpoint c --pairs p", "columns": FILES + "--init_checkpoint c --columns a,b,c"}
SOMETIMES = {
    "train": TPU
    | FOREIGN_FILES
    | TABLE
    | {
        "num_attention_heads": FILES + "--init_checkpoint c --bert_config_file b --num_attention_heads 4",
        "head_size": "--head pair_means --head_size 3",
        "tie_projections": "--tie_projections",
        "dimension_dropout": "--head dot --dimension_dropout 0.1",
        "inference_masks": "--head vector --inference_masks 3",
        "separate_layers": "--head reduced --separate_layers 3",
        "tpu": "--tpu local --strategy mirrored",
        "constant_tokens": "--length_buckets 1 --constant_tokens",
        "accumulate": "--head vector --loss both --accumulate 4",
        "loss": "--head dot --loss both",
        "teacher": "--head vector --loss contrastive --teacher r",
        "teacher_weight": "--teacher_weight 0.7",
        "distill_pairs": "--distill_pairs 10",
        "rank_candidates": "--rank_queries 0 --rank_candidates 5",
        "seeds": "--test_share 0 --seeds 2",
        "embedded_pairs": "--test_share 0 --embedded_pairs 20",
        "embedding_cache": "--test_share 0 --embedding_cache v",
        "rank_queries": "--test_share 0 --rank_queries 5",
        "require_accuracy": "--test_share 0 --require_accuracy 0.5",
        "fail_on_warning": "--test_share 0 --fail_on_warning",
        "hybrid": "--dev_share 0 --hybrid false",
        "ensemble": "--dev_share 0 --ensemble r",
        "partner_head": "--dev_share 0 --partner_head pair",
        "reference_pages": "--head pair --reference_pages 5",
        "eval_steps": "--dev_share 0 --eval_steps 5",
        "keep_best": "--eval_steps 0 --keep_best last",
        "patience": "--dev_share 0 --patience 3",
    },
    "prepare": ENGINE
    | FOREIGN_FILES
    | {
        "pairs": FILES + "--pairs p",
        "columns": FILES + "--columns a,b,c",
        "init_checkpoint": FILES + "--do_lower_case true --init_checkpoint c",
        "seed": FILES + "--seed 1 --split_seed 2",
        "bert_config_file": FILES + "--bert_config_file c",
        "num_attention_heads": FILES + "--num_attention_heads 4",
        "head_size": FILES + "--head vector --head_size 3",
        "tie_projections": FILES + "--head vector --tie_projections",
        "dimension_dropout": FILES + "--head reduced --dimension_dropout 0.1",
        "inference_masks": FILES + "--head reduced --inference_masks 3",
        "separate_layers": FILES + "--head midfusion --separate_layers 3",
        "frozen_layers": FILES + "--frozen_layers 3",
    },
    "baseline": FOREIGN_FILES
    | TABLE
    | {
        "num_attention_heads": FILES + "--init_checkpoint c --bert_config_file b --num_attention_heads 4",
        "truncate_a": FILES + "--init_checkpoint c --truncate_a start",
        "prefix_a": FILES + "--init_checkpoint c --prefix_a query:",
        "prefix_b": FILES + "--init_checkpoint c --prefix_b query:",
    },
    "evaluate": {
        "pairs": "--honbun h --negaposi n --pairs p",
        "columns": "--honbun h --negaposi n --columns a,b,c",
        "fail_on_warning": "--honbun h --negaposi n --fail_on_warning",
        "output_dir": "--output_dir o",
        "eval_batch_size": "--eval_batch_size 3",
        "compare": "--honbun h --negaposi n --compare c.html",
        "require_accuracy": "r2 --compare c.html --require_accuracy 0.5",
    },
    "export": {},
    "predict": ENGINE,
    "index": {name: f"--run r --output o {flags}" for name, flags in ENGINE.items()}
    | {
        "dtype": "--output o --dtype float32",
        "batch_size": "--output o --batch_size 3",
        "precision": "--output o --init_checkpoint c --precision int8",
        "runner": "--output o --runner DirectRunner",
        "group_pattern": "--run r --output o --group_pattern ^(.*)-",
        "init_checkpoint": "--run r --output o --init_checkpoint c",
        "bert_config_file": "--output o --bert_config_file b",
        "num_attention_heads": "--output o --init_checkpoint c --bert_config_file b --num_attention_heads 4",
        "model_file": "--output o --model_file m",
        "vocab_file": "--output o --vocab_file v",
        "tokenizer": "--output o --tokenizer xlmr",
        "tokenizer_config_file": "--output o --tokenizer_config_file t",
        "do_lower_case": "--output o --do_lower_case false",
        "max_seq_length": "--run r --output o --max_seq_length 20",
    },
    "suggest": {
        "reranker": "--text x --reranker r",
        "format": "--html h --format json",
        "skip_linked": "--text x --skip_linked",
        "negaposi": "--title x --negaposi n",
    },
    "pairs": {
        "hard_share": "--output o --negative random --hard_share 0.5",
        "index": "--output o --index i",
        "length": "--output o --format pdf --length 100",
        "unit": "--output o --format folder --unit pieces",
        "model_file": "--output o --model_file m",
    },
    "serve": {
        "token": "--token a-secret-of-20-chars --token_file f",
        "length": "--length 100",
        "host": "--mcp --host ::1",
        "port": "--mcp --port 80",
        "token_file": "--mcp --token_file f",
        "allow_host": "--mcp --allow_host wiki.example",
        "allow_origin": "--mcp --allow_origin https://scrapbox.io",
        "negaposi": "--mcp --negaposi n",
        "reranker": "--mcp --reranker r",
        "all_pages": "--mcp --all_pages false",
        "rate": "--mcp --rate 5",
    },
    "doctor": TPU,
    "make": {},
}
"""Flags that have an effect in some combinations only: command -> flag -> arguments with which it has none."""
MORE = [
    ("evaluate", "--precision int8 --fail_on_warning", "fail_on_warning"),
    ("evaluate", "--require_accuracy 0.5 --output_dir o", "output_dir"),
    ("evaluate", "--pairs p --fail_on_warning", "fail_on_warning"),
    ("evaluate", "--pairs p --honbun h", "pairs"),
    ("evaluate", "--precision int8 --compare c.html", "compare"),
    ("evaluate", "r2 --compare c.html --fail_on_warning", "fail_on_warning"),
    ("train", "--columns a,b,c", "columns"),
    ("suggest", "--title x --format markdown --skip_linked", "skip_linked"),
    ("suggest", "--text x --format scrapbox --negaposi n", "negaposi"),
    ("train", "--tpu local --constant_tokens", "constant_tokens"),
    ("train", "--head maxsim --tie_projections", "tie_projections"),
    ("train", "--head vector --loss both --constant_tokens", "constant_tokens"),
    ("train", "--head vector --loss contrastive --constant_tokens", "constant_tokens"),
    ("train", "--tpu_zone z", "tpu_zone"),
    ("train", "--augment 5", "distill_pairs"),
    ("train", "--test_share 0 --rank_candidates 5", "rank_candidates"),
    ("train", "--dev_share 0 --keep_best accuracy", "keep_best"),
    ("train", "--head dot --keep_best recall", "keep_best"),
    ("train", "--eval_steps 0 --patience 3", "patience"),
    ("serve", "--mcp --token a-secret-of-20-chars", "token"),
]
CASES = [(command, flags, name) for command, cases in SOMETIMES.items() for name, flags in cases.items()] + MORE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_declared(command):
    fields = dataclasses.fields(COMMANDS[command][2])
    conditional = {field.name for field in fields if field.metadata["needs"]}
    assert conditional == SOMETIMES[command].keys()
    assert sorted([*ALWAYS[command], *conditional]) == sorted(field.name for field in fields)


@pytest.mark.parametrize("command, flags, name", CASES, ids=[f"{command} {flags}" for command, flags, _ in CASES])
def test_a_flag_without_effect_is_rejected_by_name(command, flags, name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, positional, _ = COMMANDS[command]
    if command == "train" and "--augment" in flags:
        assert main([*positional, *flags.split()]) == 2
        assert f"error: --{name}: has " in capsys.readouterr().err
        return
    line = refusal(main, [*positional, *flags.split()], capsys)
    assert f"error: --{name}: has " in line and line.endswith("; leave it out\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_default_value_is_always_accepted(command):
    config_class = COMMANDS[command][2]
    defaults = {field.name: field.default for field in dataclasses.fields(config_class)}
    assert make_config(config_class, defaults, defaults)


@pytest.mark.parametrize("name", ["length", "min_length", "positive", "keep_duplicates"])
def test_a_table_of_labelled_pairs_takes_few_flags(name, tmp_path, capsys):
    (tmp_path / "p.csv").write_text("text_a,text_b,label\na,b,1\nc,d,0\n")
    value = {"positive": "link", "keep_duplicates": "true"}.get(name, "11")
    main = COMMANDS["pairs"][0]
    line = refusal(main, [f"{tmp_path}/p.csv", f"--output={tmp_path}/out", f"--{name}={value}"], capsys)
    assert f"--{name}: has no effect on a table of labelled pairs" in line
    assert main([f"{tmp_path}/p.csv", f"--output={tmp_path}/out", "--seed=1", "--format=table"]) == 0


def test_a_detected_format_counts_like_a_given_one(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for page in range(3):
        (tmp_path / f"in/a,{page:03d}.txt").write_text("x")
    line = refusal(COMMANDS["pairs"][0], [f"{tmp_path}/in", f"--output={tmp_path}/out", "--length=99"], capsys)
    assert "--length: has no effect" in line


@pytest.mark.parametrize(
    "command, flags",
    [
        ("train", {"head": "vector", "head_size": 3, "tie_projections": True}),
        ("train", {"head": "vector", "num_train_epochs": 0.0, "dev_share": 0.0, "hybrid": False}),
        ("train", {"head": "reduced", "dimension_dropout": 0.1, "inference_masks": 3}),
        ("train", {"head": "midfusion", "separate_layers": 3}),
        ("train", {"tpu": "name", "tpu_zone": "z", "gcp_project": "p"}),
        ("train", {"teacher": "t", "teacher_weight": 0.7, "distill_pairs": 5}),
        ("train", {"length_buckets": 8, "constant_tokens": True}),
        ("train", {"eval_steps": 7, "keep_best": "accuracy", "patience": 2, "max_steps": 50}),
        ("train", {"head": "maxsim", "loss": "contrastive", "keep_best": "recall"}),
        ("evaluate", {"precision": "int8", "output_dir": "o", "eval_batch_size": 3}),
        ("evaluate", {"fail_on_warning": True}),
        ("evaluate", {"compare": "c.html"}),
        ("evaluate", {"pairs": "p", "columns": "a,b,c,d", "output_dir": "o", "eval_batch_size": 3}),
        ("train", {"pairs": "p", "columns": "a,b,c"}),
        ("suggest", {"title": ["x"], "skip_linked": True, "negaposi": "n"}),
        ("suggest", {"html": "h", "negaposi": "n", "format": LINK_FORMATS[0]}),
        ("suggest", {"text": "x", "rerank": 5, "reranker": "r", "format": "json"}),
        ("pairs", {"unit": "pieces", "model_file": "m", "length": 99}),
        ("pairs", {"negative": "mined", "index": "i", "hard_share": 0.5}),
        ("index", {"run": "r", "runner": "DirectRunner", "runner_options": ["a=b"], "runner_folder": "f"}),
        ("index", {"run": "r", "precision": "int8", "dtype": "float32", "batch_size": 3}),
        ("index", {"init_checkpoint": "c", "max_seq_length": 20, "do_lower_case": False, "batch_size": 3}),
        ("index", {"group_pattern": "^(.*)-"}),
    ],
)
def test_a_flag_with_an_effect_is_accepted(command, flags):
    assert make_config(COMMANDS[command][2], flags, flags)


def test_a_resumed_run_may_have_begun_with_flags_without_effect(tmp_path):
    """Earlier versions accepted them; what is resumed is what was saved."""
    values = dataclasses.asdict(config.TrainConfig(head="dot", dimension_dropout=0.1, output_dir=str(tmp_path)))
    files = {}
    for name in ("honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file"):
        (tmp_path / name).write_text("x")
        files[name] = str(tmp_path / name)
    (tmp_path / "config.json").write_text(json.dumps({"config": values | files}))
    flags = ["--resume", f"--output_dir={tmp_path}", "--dimension_dropout=0.1"]
    parser = train.make_parser("x", "")
    train.add_options(parser, config.TrainConfig)
    assert train.configure(parser.parse_args(flags)).dimension_dropout == 0.1


@pytest.mark.parametrize("command", ["inspect a", "convert a --to tf1 --output_dir o"])
def test_checkpoints_tools_rejects_heads_next_to_a_config(command, capsys):
    line = refusal(checkpoints.main, [*command.split(), "--bert_config_file=c", "--num_attention_heads=4"], capsys)
    assert "--num_attention_heads: has no effect with --bert_config_file" in line

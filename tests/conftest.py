"""Small real things for the tests: a SentencePiece model, a TF1 checkpoint, a corpus; and the marker for ../shared."""

import importlib.util
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

PEERS = ("torch", "transformers", "all_minilm_l6_v2")
SHARED = Path(__file__).resolve().parents[2] / "shared"

# Every dimension differs, so that none can stand in for another.
TINY = {
    "vocab_size": 120,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
}
THINGS = ["りんご", "みかん", "電車", "会議", "庭", "Python", "山", "海", "本", "料理"]
DOINGS = ["を買う", "を洗う", "で話す", "を見る", "を直す", "に行く", "を読む", "を作る", "をやめる"]


def pytest_collection_modifyitems(items):
    """Quick tests first; what needs ../shared is skipped where there is none."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"needs the real data and checkpoints in {SHARED.name}/"))
        if item.get_closest_marker("peers") and not all(map(importlib.util.find_spec, PEERS)):
            item.add_marker(pytest.mark.skip(reason="needs the extra peers: pip install -e '.[peers]'"))


@pytest.fixture(scope="session")
def shared():
    return SHARED


@pytest.fixture(scope="session")
def corpus():
    """title -> text: 24 documents of 6 pages, each about one thing."""
    rng = random.Random(0)
    texts = {}
    for document in range(24):
        thing = THINGS[document % len(THINGS)]
        for page in range(6):
            texts[f"doc{document:02d},{page:03d}"] = f"{page}枚目。" + "".join(
                f"{thing}{rng.choice(DOINGS)}。" for _ in range(rng.randrange(1, 6))
            )
    return texts


@pytest.fixture(scope="session")
def pair_rows(corpus):
    """[a, b, label]: the next page, or a page of another document."""
    rng = random.Random(1)
    rows = []
    for document in range(24):
        for page in range(5):
            a = f"doc{document:02d},{page:03d}"
            rows.append([a, f"doc{document:02d},{page + 1:03d}", 1])
            rows.append([a, f"doc{(document + rng.randrange(1, 3)) % 24:02d},{page + 1:03d}", 0])
    return rows


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, corpus, pair_rows):
    """A folder with everything a run needs, and its flags: files are never changed by the tests."""
    import sentencepiece

    from checkpoints_tools.bert_config import BertConfig
    from checkpoints_tools.formats.tf1 import write_checkpoint

    folder = tmp_path_factory.mktemp("tiny")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in corpus.values()]),
        model_prefix=str(folder / "wiki-ja"),
        vocab_size=TINY["vocab_size"],
        hard_vocab_limit=False,
        control_symbols="[PAD],[CLS],[SEP],[MASK]",
        minloglevel=2,
    )
    size = len((folder / "wiki-ja.vocab").read_text(encoding="utf-8").splitlines())
    values = TINY | {"vocab_size": size}
    (folder / "bert_config.json").write_text(json.dumps(values))
    write_checkpoint(str(folder / "model.ckpt-7"), random_tf1_variables(BertConfig(**values)))
    (folder / "honbun_data.json").write_text(json.dumps(corpus, ensure_ascii=False), encoding="utf-8")
    (folder / "negaposi.json").write_text(json.dumps(pair_rows), encoding="utf-8")
    flags = {
        "honbun": str(folder / "honbun_data.json"),
        "negaposi": str(folder / "negaposi.json"),
        "init_checkpoint": str(folder / "model.ckpt-7"),
        "bert_config_file": str(folder / "bert_config.json"),
        "model_file": str(folder / "wiki-ja.model"),
        "vocab_file": str(folder / "wiki-ja.vocab"),
    }
    return SimpleNamespace(folder=folder, flags=flags, config=values)


def random_tf1_variables(config, seed=0):
    """A seeded checkpoint under google-research/bert's names, written out by hand: not by our name map."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def normal(*shape, scale=0.1, mean=0.0):
        return rng.normal(mean, scale, shape).astype(np.float32)

    width, inner = config.hidden_size, config.intermediate_size
    variables = {
        "bert/embeddings/word_embeddings": normal(config.vocab_size, width),
        "bert/embeddings/position_embeddings": normal(config.max_position_embeddings, width),
        "bert/embeddings/token_type_embeddings": normal(config.type_vocab_size, width),
        "bert/pooler/dense/kernel": normal(width, width, scale=0.3),
        "bert/pooler/dense/bias": normal(width),
        "cls/predictions/output_bias": normal(config.vocab_size),
        "cls/seq_relationship/output_weights": normal(2, width),
        "bert/pooler/dense/kernel/adam_m": normal(width, width),
        "bert/pooler/dense/kernel/adam_v": normal(width, width),
        "global_step": np.array(7, np.int64),
    }
    norms = ["bert/embeddings"]
    for number in range(config.num_hidden_layers):
        layer = f"bert/encoder/layer_{number}"
        norms += [f"{layer}/attention/output", f"{layer}/output"]
        for part in ("query", "key", "value"):
            variables[f"{layer}/attention/self/{part}/kernel"] = normal(width, width, scale=0.3)
            variables[f"{layer}/attention/self/{part}/bias"] = normal(width)
        variables[f"{layer}/attention/output/dense/kernel"] = normal(width, width, scale=0.3)
        variables[f"{layer}/attention/output/dense/bias"] = normal(width)
        variables[f"{layer}/intermediate/dense/kernel"] = normal(width, inner, scale=0.3)
        variables[f"{layer}/intermediate/dense/bias"] = normal(inner)
        variables[f"{layer}/output/dense/kernel"] = normal(inner, width, scale=0.3)
        variables[f"{layer}/output/dense/bias"] = normal(width)
    for norm in norms:
        variables[f"{norm}/LayerNorm/gamma"] = normal(width, mean=1.0)
        variables[f"{norm}/LayerNorm/beta"] = normal(width)
    return variables

"""Small real things for the tests: a SentencePiece model, a TF1 checkpoint, a corpus, runs; the order of the files."""

import dataclasses
import hashlib
import importlib.util
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkpoints_tools.common.streams import printed
from tests.helpers import collector  # noqa: F401
from tests.helpers.browser import missing, started
from tests.helpers.made_once import made_once
from tests.helpers.runs import QUICK
from tests.helpers.tiny_bert import TINY, random_tf1_variables

PEERS = (
    *("torch", "transformers", "all_minilm_l6_v2", "sentence_transformers", "onnxruntime", "tf2onnx"),
    *("tensorflow_serving", "datasets"),
)
SHARED = Path(__file__).resolve().parents[2] / "shared"
LONGEST = (
    "tokenizers/test_end_to_end.py",
    "retrieval/test_indexing.py",
    "training/test_dev_evaluation.py",
    "commands/test_gcs.py",
    "training/test_strategies.py",
    "training/test_training.py",
    "commands/test_killed.py",
    "sample/test_sample.py",
    "evaluation/test_evaluate_run.py",
    "training/test_several.py",
    "serving/test_hybrid.py",
    "api/test_pair_classifier.py",
    "commands/test_disk.py",
    "training/test_start.py",
    "retrieval/test_suggesting.py",
    "modeling/test_heads.py",
    "training/test_dev_report.py",
    "serving/test_hybrid_leaks.py",
    "evaluation/test_moved_runs.py",
    "training/test_table_runs.py",
    "training/test_ensemble.py",
)
"""The files that take longest; two processes finish at about the same time if none of these is left for the end.

Files that share runs are not next to each other: one process would wait for the other.
"""

THINGS = ["りんご", "みかん", "電車", "会議", "庭", "Python", "山", "海", "本", "料理"]
DOINGS = ["を買う", "を洗う", "で話す", "を見る", "を直す", "に行く", "を読む", "を作る", "をやめる"]


def pytest_collection_modifyitems(items):
    """The longest files first, quick tests first in each; what needs ../shared is skipped where there is none."""
    order = {Path(__file__).parent / file: place for place, file in enumerate(LONGEST)}

    def place(item):
        return order.get(item.path, len(LONGEST)), str(item.path), item.get_closest_marker("slow") is not None

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"needs the real data and checkpoints in {SHARED.name}/"))
        if item.get_closest_marker("peers") and not all(map(importlib.util.find_spec, PEERS)):
            item.add_marker(pytest.mark.skip(reason="needs the extra peers: pip install -e '.[peers]'"))
        if item.get_closest_marker("browser") and (absent := missing()):
            item.add_marker(pytest.mark.skip(reason=f"drives a browser and needs {absent}"))


@pytest.fixture(scope="session", autouse=True)
def lines_are_printed():
    """As in a command, also where a test calls a function of a room; alone, the library only logs."""
    with printed():
        yield


@pytest.fixture(scope="session")
def shared():
    return SHARED


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests of a file."""
    with started() as chromium:
        yield chromium


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
    folder = made_once(tmp_path_factory, "tiny", lambda folder: write_tiny(folder, corpus, pair_rows))
    flags = {
        "honbun": str(folder / "honbun_data.json"),
        "negaposi": str(folder / "negaposi.json"),
        "init_checkpoint": str(folder / "model.ckpt-7"),
        "bert_config_file": str(folder / "bert_config.json"),
        "model_file": str(folder / "wiki-ja.model"),
        "vocab_file": str(folder / "wiki-ja.vocab"),
    }
    return SimpleNamespace(folder=folder, flags=flags, config=json.loads((folder / "bert_config.json").read_text()))


def write_tiny(folder, corpus, pair_rows):
    import sentencepiece

    from checkpoints_tools.bert_config import BertConfig
    from checkpoints_tools.formats.tf1 import write_checkpoint

    folder.mkdir()
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


@pytest.fixture(scope="session")
def frozen_vectors(tiny, corpus, tmp_path_factory):
    """The file with the embeddings of the corpus by the frozen encoder, as the runs of helpers/runs.py need them."""

    def make(folder):
        from keras_negaposi.config import BaselineConfig
        from keras_negaposi.evaluation.embedding_cache import text_vectors
        from keras_negaposi.modeling.pretrained import read_pretrained

        config = BaselineConfig(**tiny.flags, **{name: QUICK[name] for name in ("max_seq_length", "precision")})
        folder.mkdir()
        text_vectors(config, read_pretrained(config), list(corpus.values()), str(folder / "vectors.npz"))

    return str(made_once(tmp_path_factory, "vectors", make) / "vectors.npz")


@pytest.fixture(scope="session")
def finished_run(tiny, frozen_vectors, tmp_path_factory):
    """Returns a function that gives a copy of a finished run: it is made once for all files that want these options.

    The arguments are the folder for the copy, which the test may change, and options of `TrainConfig`; a given default
    makes no other run.
    """

    def copy(folder, **options):
        from keras_negaposi.config import TrainConfig
        from keras_negaposi.training.run import run

        defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
        options = {name: value for name, value in options.items() if value != defaults[name]}
        command = " ".join(["train", *(f"--{name} {value}" for name, value in sorted(options.items()))])
        name = hashlib.sha256(command.encode()).hexdigest()[:16]

        def make(folder):
            config = TrainConfig(**tiny.flags | options, embedding_cache=frozen_vectors, output_dir=str(folder))
            run(config, command)

        return shutil.copytree(made_once(tmp_path_factory, f"run-{name}", make), folder)

    return copy


@pytest.fixture
def without_evaluation(monkeypatch):
    """Trainings in this process end with the SavedModel, before the evaluation."""
    from keras_negaposi.training import run

    monkeypatch.setattr(run, "evaluate_finished_run", lambda path: None)


@pytest.fixture
def without_export(without_evaluation, monkeypatch):
    """Trainings in this process end with their scores, before the export."""
    from keras_negaposi.training import run

    monkeypatch.setattr(run, "export", lambda *_: None)

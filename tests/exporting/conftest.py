"""One tiny run of each head that other libraries can load."""

import pytest

from keras_negaposi.config import TrainConfig
from keras_negaposi.training.run import run

LENGTH = 30
QUICK = {"num_train_epochs": 0.2, "train_batch_size": 16, "max_seq_length": LENGTH, "precision": "float32"}
QUICK |= {
    "rank_queries": 0,
    "embedded_pairs": 60,
    "split": "grouped",
    "dev_share": 0.2,
    "truncate_a": "start",
    "eval_steps": 0,
}


@pytest.fixture(scope="session")
def runs(tiny, tmp_path_factory):
    """Head -> a finished run, which is never changed by the tests."""
    folder = tmp_path_factory.mktemp("runs")
    for head in ("pair", "vector"):
        options = QUICK | {"head": head, "learning_rate": 0.003, "output_dir": str(folder / head)}
        run(TrainConfig(**tiny.flags | options), command=f"train --head {head}")
    return {head: folder / head for head in ("pair", "vector")}


@pytest.fixture(scope="session")
def pairs(corpus):
    """Two texts per pair: a quarter are short, others are cut."""
    texts = [text * (1 + number % 3) if number % 4 else text[:9] for number, text in enumerate(corpus.values())]
    return texts[:40], texts[40:80]

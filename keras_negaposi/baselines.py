"""All baselines on one split: majority, TF-IDF cosine, and the frozen encoder with logistic regression."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from checkpoints_tools.files import join, make_folder, write_json
from checkpoints_tools.options import say
from keras_negaposi.config import BaselineConfig, TrainConfig
from keras_negaposi.frozen import pair_features, text_vectors
from keras_negaposi.pairs import Pair
from keras_negaposi.pretrained import read_pretrained
from keras_negaposi.records import read_inputs
from keras_negaposi.trivial import majority_accuracy, tfidf_features

METRICS = "baseline_metrics.json"


@dataclasses.dataclass(frozen=True)
class Baselines:
    """Accuracy of each baseline on the test pairs, and the frozen one's classification report."""

    pairs: int
    majority: float
    tfidf_cosine: float
    frozen: float
    frozen_report: str

    def describe(self) -> str:
        """A line a baseline."""
        return (
            f"on {self.pairs:,} test pairs: majority {self.majority:.2%}, "
            f"TF-IDF cosine and lengths {self.tfidf_cosine:.2%}, frozen encoder {self.frozen:.2%}"
        )


def run(config: BaselineConfig) -> Baselines:
    """Trains the baselines on the training pairs and scores them on the test pairs.

    Raises:
        InputError: something the user gave cannot be used; nothing has been written then.
    """
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer)
    texts, parts = inputs.data.texts, inputs.split.parts
    train, test = parts["train"], parts["test"]
    make_folder(config.output_dir)
    used = [texts[title] for pair in [*train, *test] for title in (pair.a, pair.b)]
    vectors = text_vectors(config, pretrained, used, config.vectors or join(config.output_dir, "vectors.npz"))
    frozen = _predict(*(pair_features(vectors, texts, part) for part in (train, test)), train, config.seed)
    cosine = _predict(*(tfidf_features(texts, train, part) for part in (train, test)), train, config.seed)
    labels = np.array([pair.label for pair in test])
    report = classification_report(labels, frozen, labels=[0, 1], digits=4, zero_division=0.0)
    baselines = Baselines(
        pairs=len(test),
        majority=majority_accuracy(train, test),
        tfidf_cosine=float((cosine == labels).mean()),
        frozen=float((frozen == labels).mean()),
        frozen_report=report,
    )
    write_json(join(config.output_dir, METRICS), dataclasses.asdict(baselines) | {"config": dataclasses.asdict(config)})
    say(f"\nfrozen encoder:\n{report}\n{baselines.describe()}")
    return baselines


def compare(config: TrainConfig, accuracy: float) -> None:
    """Computes the baselines on a finished run's own split and shows them beside its accuracy."""
    shared = {field.name for field in dataclasses.fields(BaselineConfig)} - {"output_dir", "vectors"}
    values = {name: value for name, value in dataclasses.asdict(config).items() if name in shared}
    run(BaselineConfig(**values, output_dir=join(config.output_dir, "baseline")))
    say(f"trained model {accuracy:.2%}")


def _predict(train_features: np.ndarray, test_features: np.ndarray, train: Sequence[Pair], seed: int) -> np.ndarray:
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.01, random_state=seed))
    classifier.fit(train_features, [pair.label for pair in train])
    return classifier.predict(test_features)

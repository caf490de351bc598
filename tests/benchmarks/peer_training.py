"""Trains sentence-transformers' models for as long as a run took, on the run's pairs, and measures them as the run.

python tests/benchmarks/peer_training.py BERT_FOLDER RUN --kind bi-encoder|cross-encoder [--minutes 15]

RUN is a finished run with ``--split grouped`` and ``--next_page_pairs``, such as the partner of ``--recipe best``. The
peer starts from the same weights and sees the same pairs: a bi-encoder the positives, with
MultipleNegativesRankingLoss, a cross-encoder all of them, with BinaryCrossEntropyLoss. Some steps are timed first, so
that the learning rate ends at 0 when the time is up. The accuracy's threshold is that of 1,500 labelled training pairs.
R@10 is measured as in ``ranking.py``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from hugging_face import convert
from ranking import CANDIDATES, PATTERN, rank_of_true

from keras_negaposi.data.documents import Documents, documents_of
from keras_negaposi.evaluation.bootstrap import Predictions, accuracy, document_weights, interval, roc_auc
from keras_negaposi.evaluation.ranking import hard_candidates, summarize
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.runtime.saved_run import saved_options

BATCH, TIMED_STEPS, QUERIES, FITTED = 32, 12, 400, 1500
LENGTH = {"bi-encoder": 96, "cross-encoder": 160}
RATE = {"bi-encoder": 2e-5, "cross-encoder": 1e-4}
END = 220
"""Characters of A's end, next to which B stands; sentence-transformers would cut A there."""


def data_of(run):
    """The run's texts and its pairs by part; ``labelled`` are the training pairs that somebody has labelled."""
    config = saved_options(run)
    inputs = read_inputs(config, read_pretrained(config).tokenizer, config.layout)
    given, parts = set(inputs.data.pairs), {name: list(pairs) for name, pairs in inputs.split.parts.items()}
    return inputs.data.texts, parts | {"labelled": [pair for pair in parts["train"] if pair in given]}


def train(kind, model, columns, minutes):
    """Trains the model for so many minutes; returns the number of steps."""
    from datasets import Dataset

    if kind == "bi-encoder":
        from sentence_transformers import SentenceTransformerTrainer as Trainer
        from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
        from sentence_transformers.losses import MultipleNegativesRankingLoss as Loss
    else:
        from sentence_transformers.cross_encoder import CrossEncoderTrainer as Trainer
        from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments as Arguments
        from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss as Loss

    def fit(steps, rate):
        with tempfile.TemporaryDirectory() as folder:
            options = Arguments(
                folder,
                max_steps=steps,
                per_device_train_batch_size=BATCH,
                learning_rate=rate,
                warmup_steps=steps // 10,
                bf16=True,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                logging_steps=50,
                seed=0,
            )
            started = time.perf_counter()
            Trainer(model=model, args=options, train_dataset=Dataset.from_dict(columns), loss=Loss(model)).train()
            return time.perf_counter() - started

    seconds = fit(TIMED_STEPS, 1e-12) / TIMED_STEPS
    steps = int(60 * minutes / seconds)
    print(f"{seconds:.2f} s a step: {steps} steps; they took {fit(steps, RATE[kind]) / 60:.1f} minutes", flush=True)


class BiEncoder:
    """Mean-pooled vectors, compared by cosine."""

    def __init__(self, folder):
        from sentence_transformers import SentenceTransformer, models

        transformer = models.Transformer(str(folder), max_seq_length=LENGTH["bi-encoder"])
        pooling = models.Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
        self.model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
        self.vectors = {}

    def columns(self, pairs):
        """The positives as columns, without labels."""
        return {"anchor": [a for a, _, label in pairs if label], "positive": [b for _, b, label in pairs if label]}

    def forget(self):
        """Forgets the vectors, because the weights have changed."""
        self.vectors = {}

    def scores(self, pairs):
        """The cosine of each pair's vectors, all texts centred as ours are."""
        texts = sorted({text for pair in pairs for text in pair} - self.vectors.keys())
        if texts:
            self.vectors |= dict(zip(texts, self.model.encode(texts, batch_size=BATCH), strict=True))
        center = np.mean(list(self.vectors.values()), axis=0)
        a, b = (np.stack([self.vectors[pair[side]] for pair in pairs]) - center for side in (0, 1))
        return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class CrossEncoder:
    """Reads both texts together."""

    def __init__(self, folder):
        from sentence_transformers import CrossEncoder as Peer

        self.model = Peer(str(folder), num_labels=1, max_length=LENGTH["cross-encoder"], device="cpu")

    def columns(self, pairs):
        """All pairs as columns, with labels."""
        a, b, labels = zip(*pairs, strict=True)
        return {"a": list(a), "b": list(b), "label": [float(label) for label in labels]}

    def forget(self):
        """Nothing is remembered."""

    def scores(self, pairs):
        """The model's probability of each pair."""
        return self.model.predict(pairs, batch_size=BATCH)


def best_threshold(scores, labels):
    """The threshold above which predicting 1 gives the highest accuracy on these pairs."""
    order = np.argsort(scores)
    below = np.concatenate([[0], np.cumsum(1 - labels[order])])
    above = labels.sum() - np.concatenate([[0], np.cumsum(labels[order])])
    best = int(np.argmax(below + above))
    bounds = np.concatenate([[-np.inf], scores[order]])
    return bounds[best]


def measure(kind, model, parts, texts, seed):
    """Prints accuracy and ROC AUC on the test part, and R@10 of a bi-encoder."""
    pairs = {name: [(texts[pair.a][-END:], texts[pair.b]) for pair in part] for name, part in parts.items()}
    labels = {name: np.array([pair.label for pair in part]) for name, part in parts.items()}
    scores = {name: model.scores(some) for name, some in pairs.items()}
    threshold = best_threshold(scores["fitted"], labels["fitted"])
    predicted = Predictions(labels["test"], scores["test"], threshold)
    weights = document_weights(documents_of(parts["test"], PATTERN), seed)
    found = [interval(predicted, weights, metric) for metric in (accuracy, roc_auc)]
    auc = "{0.value:.3f} ({0.low:.3f}-{0.high:.3f})".format(found[1])
    print(f"accuracy {found[0].percent()}, ROC AUC {auc}, {len(parts['test']):,} pairs", flush=True)
    if kind == "bi-encoder":
        print(f"R@10 {recall(model, parts['test'], texts, seed)}", flush=True)


def recall(model, test, texts, seed):
    """R@10 with its interval, for the queries and candidates of ``ranking.py``."""
    document, positives = Documents(PATTERN), [pair for pair in test if pair.label]
    drawn = [positives[i] for i in np.random.default_rng(seed).permutation(len(positives))[:QUERIES]]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    others = hard_candidates(texts, drawn, pages, document, CANDIDATES - 1)
    model.scores([(texts[title], texts[title]) for title in pages])  # the center is that of all of them
    ranks = []
    for pair, rest in zip(drawn, others, strict=True):
        ranks.append(rank_of_true(model.scores([(texts[pair.a][-END:], texts[b]) for b in (pair.b, *rest)])))
    return summarize(np.array(ranks), [document(pair.a) for pair in drawn], seed).recall_at_10.percent()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bert", help="folder of the checkpoint")
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("--kind", choices=LENGTH, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    texts, parts = data_of(arguments.run)
    rng = np.random.default_rng(arguments.seed)
    drawn = rng.permutation(len(parts["labelled"]))[:FITTED]
    measured = {"fitted": [parts["labelled"][i] for i in drawn], "test": parts["test"]}
    with tempfile.TemporaryDirectory() as folder:
        model_file = next(Path(arguments.bert).glob("*.model"))
        convert(arguments.bert, model_file, folder, LENGTH[arguments.kind])
        model = (BiEncoder if arguments.kind == "bi-encoder" else CrossEncoder)(folder)
        if arguments.kind == "bi-encoder":
            print("untrained")
            measure(arguments.kind, model, measured, texts, arguments.seed)
        pairs = [(texts[pair.a][-END:], texts[pair.b], pair.label) for pair in parts["train"]]
        train(arguments.kind, model.model, model.columns(pairs), arguments.minutes)
        model.forget()
        print("trained")
        measure(arguments.kind, model, measured, texts, arguments.seed)


if __name__ == "__main__":
    main()

"""How high each method ranks the true next page among the pages most similar to A, without and with lexical features.

python tests/benchmarks/ranking.py DATA_FOLDER BERT_FOLDER RUN [--queries 400] [--reranker RUN]

RUN is a finished hybrid run with ``--head vector --split grouped``. Queries are positive pairs of its test part; the
candidates of each are the pages of that part. Nothing is fitted on them: what combines untrained vectors with lexical
features is fitted on self-labelled pages of training documents.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_negaposi.config import PretrainedConfig, complete_model_files
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.splits import read_split
from keras_negaposi.data.texts import text_key
from keras_negaposi.data.tfidf import NGrams
from keras_negaposi.evaluation.bootstrap import RESAMPLES
from keras_negaposi.evaluation.ranking import hard_candidates, summarize
from keras_negaposi.index_files.page_density import densities_of
from keras_negaposi.index_files.segment import write_segment
from keras_negaposi.index_files.vectors import Vectors
from keras_negaposi.lexical.features import lexical_features
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.frozen_scorer import FrozenScorer
from keras_negaposi.retrieval.self_labelled import combined, fit_on_next_pages, reciprocal_ranks
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.scorer import Scorer

CANDIDATES, TOP, RERANKED = 1000, 10, 100
TRAINING_PAGES = 3000
"""Pages of training documents on which the untrained methods' weights are fitted."""
PATTERN = r"^(.*),"
BATCH = 32


def encode(scorer, side, texts):
    """Tensors of texts as A or B, in the order of the texts; texts of similar length are encoded together."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = [scorer.encode(side, [texts[i] for i in order[at : at + BATCH]]) for at in range(0, len(order), BATCH)]
    back = np.argsort(order)
    return {name: np.concatenate(padded([part[name] for part in parts]))[back] for name in parts[0]}


def padded(arrays):
    """Arrays with as many tokens as the longest, if they have any."""
    longest = max(array.shape[1] for array in arrays)
    return [np.pad(array, [(0, 0), (0, longest - array.shape[1]), *[(0, 0)] * (array.ndim - 2)]) for array in arrays]


def rows_of(tensors, rows):
    """Tensors of some texts."""
    return {name: values[rows] for name, values in tensors.items()}


def frozen_index(texts, bert, length):
    """Centred vectors of all texts by an untrained BERT, with their densities, as an index stores them."""
    config = complete_model_files({"init_checkpoint": bert, "max_seq_length": length})
    scorer = FrozenScorer(PretrainedConfig(**config))
    distinct = {text_key(text): text for text in texts.values()}
    with tempfile.TemporaryDirectory() as folder:
        segment = write_segment(Path(folder) / "segment", list(distinct), encode(scorer, "b", list(distinct.values())))
        vectors = Vectors({"segment": segment}, distinct, centred=True)
        densities = densities_of(vectors)
        rows = vectors.read(np.arange(len(distinct)))
    return dict(zip(distinct, rows, strict=True)), densities


def training_pages(texts, run, seed):
    """Whole training documents with about `TRAINING_PAGES` pages."""
    document = Documents(PATTERN)
    names = sorted({document(title) for pair in read_split(run.split)["train"] for title in (pair.a, pair.b)})
    chosen, pages = set(), {}
    by_name = {}
    for title in texts:
        by_name.setdefault(document(title), []).append(title)
    for row in np.random.default_rng(seed).permutation(len(names)):
        chosen.add(names[row])
        pages |= {title: texts[title] for title in by_name[names[row]]}
        if len(pages) >= TRAINING_PAGES:
            return pages
    return pages


def rank_of_true(scores):
    """The true B's rank; candidate 0 is the true one, and ties count against it."""
    return 1 + int((scores[1:] >= scores[0]).sum())


def difference(ranks, other, documents, seed=0):
    """R@10 of one method minus another's, with its 95 % interval by document."""
    names = sorted(set(documents))
    number = np.array([names.index(name) for name in documents])
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    weights = draws[:, number].astype(float)
    values = (ranks <= TOP).astype(float) - (other <= TOP)
    low, high = np.percentile((weights @ values) / weights.sum(axis=1), [2.5, 97.5])
    return f"{100 * values.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


class Methods:
    """Scores the candidates of a query by each method."""

    def __init__(self, texts, pages, queries, bert, run):
        self.texts, self.pages, self.row = texts, pages, {title: row for row, title in enumerate(pages)}
        in_order = [texts[title] for title in pages]
        weighing = NGrams()
        self.tfidf = weighing.fit_transform(in_order)

        # The run: vectors of A and B, and its lexical model.
        scorer, self.calibration = CachedScorer(str(run.path)), saved_calibration(run)
        self.scorer, self.b = scorer, encode(scorer, "b", in_order)
        self.a = encode(scorer, "a", [texts[title] for title in queries])
        self.query = {title: row for row, title in enumerate(queries)}
        self.of_run = self.lexical = LexicalModel.load(run.lexical_model)
        if not self.lexical.alone:
            frequencies, neighbours = self.lexical.frequencies, self.lexical.neighbours
            self.lexical = LexicalModel.fit(texts, list(read_split(run.split)["train"]), frequencies, neighbours)

        # Without a run: vectors of the BERT, and weights fitted on training documents.
        vectors, densities = frozen_index(texts, bert, scorer.config["max_seq_length"])
        keys = [text_key(text) for text in in_order]
        self.frozen = np.stack([vectors[key] for key in keys])
        self.densities = np.array([densities[key] for key in keys])
        training = training_pages(texts, run, 0)
        frequencies = self.lexical.frequencies  # of all texts, as the run has counted them
        self.untrained, self.fit = fit_on_next_pages(training, frequencies, PATTERN, vectors, densities)
        self.alone, _ = fit_on_next_pages(training, frequencies, PATTERN)

    def scores(self, a, titles):
        """Method -> scores of ``titles``."""
        rows = np.array([self.row[title] for title in titles])
        texts = [self.texts[a], *(self.texts[title] for title in titles)]
        ends = np.zeros(len(titles), np.int64), np.arange(1, len(texts))
        cosine = np.asarray((self.tfidf[rows] @ self.tfidf[self.row[a]].T).todense()).ravel()
        lexical = self.lexical  # the models have the same features
        _, features = lexical_features(lexical.frequencies, texts, *ends, lexical.neighbours)
        logits, of_run, own, alone = (
            model.logits_of_features(features) for model in (lexical, self.of_run, self.untrained, self.alone)
        )
        frozen = self.frozen[rows] @ self.frozen[self.row[a]]
        corrected = self.fit.cosine.probabilities(frozen, self.densities[rows] + self.densities[self.row[a]])
        vector = self.scorer.score(rows_of(self.a, [self.query[a]]), rows_of(self.b, rows))
        return {
            "TF-IDF cosine": cosine,
            "lexical features (labelled pairs)": logits,
            "lexical features (self-labelled pages)": alone,
            "frozen cosine": frozen,
            "frozen cosine and TF-IDF cosine, ranks fused": reciprocal_ranks([frozen, cosine]),
            "frozen cosine and densities": corrected,
            "frozen cosine, densities and lexical features (self-labelled pages)": combined(
                self.fit, True, corrected, own
            ),
            "vector": vector,
            "vector and TF-IDF cosine, ranks fused": reciprocal_ranks([vector, cosine]),
            "lexical logit of the run": of_run,
            "hybrid of vector": self.calibration.hybrid.combine(vector, of_run),
        }


def reranked(reranker, calibration, scores, text, candidates):
    """Method -> scores, above 0 for the best candidates of the run's hybrid only: those that are scored again."""
    best = np.argsort(-scores["hybrid of vector"], kind="stable")[:RERANKED]
    again = np.array([score for score, _ in reranker.stream([(text, candidates[i]) for i in best], BATCH)])
    of_methods = {f"the first {RERANKED} of it, reranked by the cross-encoder alone": again}
    if calibration.ensemble:
        parts = (scores[name][best] for name in ("vector", "lexical logit of the run"))
        of_methods[f"the first {RERANKED}, reranked by all three"] = calibration.combination.combine(*parts, again)
    rows = {name: np.full(len(candidates), -1.0) for name in of_methods}
    for name, values in of_methods.items():
        rows[name][best] = values
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("bert", help="folder of the checkpoint")
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--reranker", help="folder of a run with a cross-encoder; for the last row, RUN's partner")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    texts, run = json.loads((arguments.data / "honbun_data.json").read_text()), RunFolder(arguments.run)
    document = Documents(PATTERN)

    # 1. Draw the queries and choose their candidates: the true B, then the pages most similar to A by TF-IDF.
    test = list(read_split(run.split)["test"])
    positives = [pair for pair in test if pair.label]
    chosen = np.random.default_rng(arguments.seed).permutation(len(positives))[: arguments.queries]
    drawn = [positives[i] for i in chosen]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    others = hard_candidates(texts, drawn, pages, document, CANDIDATES - 1)

    # 2. Rank them.
    methods = Methods(texts, pages, [pair.a for pair in drawn], arguments.bert, run)
    reranker = Scorer(arguments.reranker) if arguments.reranker else None
    ranks, started = {}, time.perf_counter()
    for pair, rest in zip(drawn, others, strict=True):
        titles = [pair.b, *rest]
        scores = methods.scores(pair.a, titles)
        if reranker:
            scores |= reranked(reranker, methods.calibration, scores, texts[pair.a], [texts[title] for title in titles])
        for name, values in scores.items():
            ranks.setdefault(name, []).append(rank_of_true(np.asarray(values)))
    print(f"{len(drawn)} queries, {time.perf_counter() - started:.0f} s")

    # 3. Print R@10 and MRR of each, and the difference to TF-IDF.
    documents = [document(pair.a) for pair in drawn]
    base = np.array(ranks["TF-IDF cosine"])
    print("| method | R@10 | MRR | R@10 minus TF-IDF's |\n|---|---|---|---|")
    for name, values in ranks.items():
        result = summarize(np.array(values), documents, arguments.seed)
        mrr = result.mrr
        apart = difference(np.array(values), base, documents)
        print(
            f"| {name} | {result.recall_at_10.percent()} | {mrr.value:.3f} ({mrr.low:.3f}-{mrr.high:.3f}) | {apart} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

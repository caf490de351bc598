"""What a training has changed: accuracy, and how high the true next page ranks, next to the same head's start.

python tests/benchmarks/head_ranking.py DATA_FOLDER START RUN [RUN ...] [--queries 400]

All are finished runs on one split. START is not trained (``--num_train_epochs 0``). Queries and candidates are those of
``ranking.py``; no lexical features take part. A cross-encoder scores a thousand pairs for each query, in bfloat16 where
the hardware has it; at 100 pairs/s, that is an hour for 400 queries.
"""

import argparse
import itertools
import json
import logging
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config.data import AUTO
from keras_negaposi.config.heads import is_cacheable
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.bootstrap import mcnemar
from keras_negaposi.evaluation.ranking import hard_candidates, summarize
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.arithmetic import chosen_arithmetic
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.scorer import Scorer
from tests.benchmarks.ranking import BATCH, CANDIDATES, PATTERN, difference, encode, rank_of_true, rows_of


def ranks_of(run, texts, drawn, others, pages):
    """The rank of each query's true page."""
    if not is_cacheable(saved_options(run).head):
        return ranks_of_cross_encoder(run, texts, drawn, others)
    scorer, row = CachedScorer(run), {title: number for number, title in enumerate(pages)}
    sides = encode(scorer, "b", [texts[title] for title in pages])
    queries = encode(scorer, "a", [texts[pair.a] for pair in drawn])
    ranks = []
    for number, (pair, rest) in enumerate(zip(drawn, others, strict=True)):
        rows = np.array([row[title] for title in (pair.b, *rest)])
        ranks.append(rank_of_true(scorer.score(rows_of(queries, [number]), rows_of(sides, rows))))
    return np.array(ranks)


def ranks_of_cross_encoder(run, texts, drawn, others):
    titles = [(pair.b, *rest) for pair, rest in zip(drawn, others, strict=True)]
    pairs = ((texts[pair.a], texts[b]) for pair, of_pair in zip(drawn, titles, strict=True) for b in of_pair)
    scored = Scorer(run, chosen_arithmetic(AUTO)).stream(pairs, BATCH)
    counting = Ticker("scoring the pairs of queries", len(drawn))
    return np.array(
        [
            rank_of_true(np.array([score for score, _ in itertools.islice(scored, len(of_pair))]))
            for of_pair in counting.watch(titles)
        ]
    )


def test_scores(run):
    folder = RunFolder(run)
    pairs = list(read_split(folder.split)["test"])
    return pairs, read_scores(folder.scores("test"), pairs, saved_calibration(folder).decision_threshold, 32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("runs", nargs="+", help="folders of the runs, the untrained one first")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    texts, document = json.loads((arguments.data / "honbun_data.json").read_text()), Documents(PATTERN)

    # 1. Draw the queries and choose their candidates.
    test, start = test_scores(arguments.runs[0])
    positives = [pair for pair in test if pair.label]
    chosen = np.random.default_rng(arguments.seed).permutation(len(positives))[: arguments.queries]
    drawn = [positives[i] for i in chosen]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    others = hard_candidates(texts, drawn, pages, document, CANDIDATES - 1)
    documents = [document(pair.a) for pair in drawn]

    # 2. Rank and compare.
    print(f"{len(test):,} test pairs, {len(drawn)} queries")
    print("| run | accuracy | ROC AUC | McNemar against the start | R@10 | MRR | R@10 minus the start's |")
    print("|---|---|---|---|---|---|---|")
    base = None
    for run in arguments.runs:
        pairs, scores = test_scores(run)
        if pairs != test:
            raise SystemExit(f"{run}: its test pairs are not those of {arguments.runs[0]}")
        ranks = ranks_of(run, texts, drawn, others, pages)
        base = ranks if base is None else base
        found, against = summarize(ranks, documents, arguments.seed), mcnemar(scores.correct, start.correct)
        auc = roc_auc_score(scores.labels, scores.probabilities)
        print(
            f"| {Path(run).name} | {scores.correct.mean():.1%} | {auc:.3f} "
            f"| {against.first_alone} : {against.second_alone}, p = {against.p_value:.2g} "
            f"| {found.recall_at_10.percent()} | {found.mrr.value:.3f} | {difference(ranks, base, documents)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

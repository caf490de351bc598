"""Ranking metrics: how high the model ranks the true B among similar pages, which is what users need it for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.tfidf import NGrams, top_neighbours
from keras_negaposi.evaluation.bootstrap import LEVEL, RESAMPLES, Interval
from keras_negaposi.evaluation.text_baselines import Texts
from keras_negaposi.serving.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class RankingOptions:
    """How to sample queries and candidates.

    Attributes:
        queries: number of positive test pairs whose A is a query.
        candidates: pages per query, including the true B.
        group_pattern: regular expression that extracts the document from a title. Other pages of A's document are not
            candidates, since they may be correct answers too.
        batch_size: pairs per scoring batch.
        seed: seed of the sample of queries and of the bootstrap.
    """

    queries: int
    candidates: int
    group_pattern: str
    batch_size: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Ranking:
    """How high the true B ranks among ``candidates`` pages, including itself. The fields are keys of ``metrics.json``.

    R@k is the share of queries whose true B is among the first k; MRR is the mean of 1 / rank. Ties count against the
    model.
    """

    queries: int
    candidates: int
    recall_at_1: Interval
    recall_at_10: Interval
    mrr: Interval


def rank(scorer: Scorer, texts: Texts, test: Sequence[Pair], options: RankingOptions) -> Ranking | None:
    """Ranks the true B of a sample of test pairs among the pages most similar to A by TF-IDF.

    Args:
        scorer: the finished model.
        texts: by title.
        test: test pairs. Queries are sampled from the positive ones; the pages of all are candidates.
        options: sizes of the samples.

    Returns:
        The metrics, or ``None`` if there is no query or only one candidate.
    """
    # 1. Sample the queries, and choose the candidates: the true B first, then the most similar other pages.
    document_of = Documents(options.group_pattern)
    positives = [pair for pair in test if pair.label == 1]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    rng = np.random.default_rng(options.seed)
    queries = [positives[i] for i in rng.permutation(len(positives))[: options.queries]]
    if not queries or options.candidates < 2:
        return None
    hard = hard_candidates(texts, queries, pages, document_of, options.candidates - 1)

    # 2. Score all candidates of all queries in one stream.
    rows = [(pair.a, title) for pair, others in zip(queries, hard, strict=True) for title in (pair.b, *others)]
    tick = Ticker("scoring the ranked pairs", len(rows))
    streamed = scorer.stream(((texts[a], texts[b]) for a, b in rows), options.batch_size)
    scores = np.array([probability for probability, _ in tick.watch(streamed)])

    # 3. The rank is 1 plus the number of candidates that score at least as high.
    ranks, start = [], 0
    for others in hard:
        own = scores[start : start + 1 + len(others)]
        ranks.append(1 + int((own[1:] >= own[0]).sum()))
        start += len(own)
    documents = [document_of(pair.a) for pair in queries]
    return summarize(np.array(ranks), documents, options.candidates, options.seed)


def summarize(ranks: np.ndarray, documents: Sequence[str], candidates: int, seed: int) -> Ranking:
    """Computes the metrics of ranks, with confidence intervals from a bootstrap over the queries' documents.

    Args:
        ranks: ``int [queries]``, 1 is best.
        documents: the document of each query.
        candidates: pages per query.
        seed: seed of the bootstrap.
    """
    names = sorted(set(documents))
    number = np.array([names.index(name) for name in documents])
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    weights = draws[:, number].astype(np.float64)

    def figure(values: np.ndarray) -> Interval:
        totals = weights.sum(axis=1)
        means = (weights @ values)[totals > 0] / totals[totals > 0]
        low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        return Interval(float(values.mean()), float(low), float(high))

    return Ranking(len(ranks), candidates, figure(ranks <= 1), figure(ranks <= 10), figure(1 / ranks))


def hard_candidates(
    texts: Texts, drawn: Sequence[Pair], pages: Sequence[str], documents: Documents, count: int
) -> list[list[str]]:
    """Returns, for each A, the ``count`` pages most similar to it outside its own document, without the true B."""
    weighing = NGrams()
    matrix = weighing.fit_transform([texts[title] for title in pages])
    queries = weighing.transform([texts[pair.a] for pair in drawn])
    result = []
    for pair, (near, _) in zip(drawn, top_neighbours(queries, matrix), strict=True):
        own = documents(pair.a)
        others_last = np.setdiff1d(np.arange(len(pages)), near)  # pages that share no n-gram with A
        order = (pages[i] for i in np.r_[near, others_last])
        others = (title for title in order if documents(title) != own and title != pair.b)
        result.append([title for title, _ in zip(others, range(count), strict=False)])
    return result

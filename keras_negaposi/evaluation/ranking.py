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
from keras_negaposi.lexical.model import LexicalModel
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
class RankFigures:
    """How high a ranker puts the true B. The fields are keys of ``metrics.json``.

    R@k is the share of queries whose true B is among the first k; MRR is the mean of 1 / rank. Ties count against the
    ranker.
    """

    recall_at_1: Interval
    recall_at_10: Interval
    mrr: Interval


@dataclasses.dataclass(frozen=True)
class Chance:
    """What a ranker that knows nothing reaches in the mean. The fields are keys of ``metrics.json``."""

    recall_at_1: float
    recall_at_10: float
    mrr: float

    @classmethod
    def of(cls, sizes: Sequence[int]) -> Chance:
        """Computes the means for queries with these numbers of candidates."""
        n = np.array(sizes)
        reciprocal = [float((1 / np.arange(1, size + 1)).mean()) for size in sizes]
        return cls(float((1 / n).mean()), float((np.minimum(10, n) / n).mean()), float(np.mean(reciprocal)))


@dataclasses.dataclass(frozen=True)
class Ranking(RankFigures):
    """How high the model ranks the true B among ``candidates`` pages, including itself, and what others reach.

    The fields are keys of ``metrics.json``.

    Attributes:
        lexical: the lexical baseline, with the same candidates.
    """

    queries: int
    candidates: int
    chance: Chance
    lexical: RankFigures


def rank(
    scorer: Scorer, lexical: LexicalModel, texts: Texts, test: Sequence[Pair], options: RankingOptions
) -> Ranking | None:
    """Ranks the true B of a sample of test pairs among the pages most similar to A by TF-IDF.

    Args:
        scorer: the finished model.
        lexical: the lexical baseline, fitted to the training pairs.
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

    # 2. Score all candidates of all queries in one stream, by the model and by the baseline.
    rows = [Pair(pair.a, title, 0) for pair, others in zip(queries, hard, strict=True) for title in (pair.b, *others)]
    tick = Ticker("scoring the ranked pairs", len(rows))
    streamed = scorer.stream(((texts[pair.a], texts[pair.b]) for pair in rows), options.batch_size)
    scores = np.array([probability for probability, _ in tick.watch(streamed)])
    lexical_scores = lexical.logits(texts, rows)

    # 3. Compare the ranks.
    sizes = [1 + len(others) for others in hard]
    documents = [document_of(pair.a) for pair in queries]
    figures, baseline = (summarize(ranks_of(each, sizes), documents, options.seed) for each in (scores, lexical_scores))
    return Ranking(
        **vars(figures),
        queries=len(queries),
        candidates=options.candidates,
        chance=Chance.of(sizes),
        lexical=baseline,
    )


def ranks_of(scores: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Returns the rank of each query's first candidate, ``int [queries]``: 1 plus the others that score as high.

    Args:
        scores: of all candidates, query by query, ``float [candidates of all queries]``.
        sizes: number of candidates of each query.
    """
    of_queries = np.split(scores, np.cumsum(sizes)[:-1])
    return np.array([1 + int((own[1:] >= own[0]).sum()) for own in of_queries])


def summarize(ranks: np.ndarray, documents: Sequence[str], seed: int) -> RankFigures:
    """Computes the metrics of ranks, with confidence intervals from a bootstrap over the queries' documents.

    Args:
        ranks: ``int [queries]``, 1 is best.
        documents: the document of each query.
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

    return RankFigures(figure(ranks <= 1), figure(ranks <= 10), figure(1 / ranks))


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

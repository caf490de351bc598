"""The ranking view: is the true B found among many? That is what the classifier is used for."""

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
class Ranking:
    """How high the true B stands among ``candidates`` pages, the true one included.

    R@k is the share of queries whose true B is among the first k, MRR the mean of 1 / rank. Ties count against the
    model.
    """

    queries: int
    candidates: int
    recall_at_1: Interval
    recall_at_10: Interval
    mrr: Interval


def rank(
    scorer: Scorer,
    texts: Texts,
    test: Sequence[Pair],
    group_pattern: str,
    queries: int,
    candidates: int,
    batch_size: int,
    seed: int,
) -> Ranking | None:
    """Ranks the true B of some test pairs among the pages most like A, as TF-IDF sees them.

    Args:
        scorer: the finished model.
        texts: by title.
        test: test pairs; A and B of the positives are used, and the pages of all are candidates.
        group_pattern: finds the document in a title; no other page of A's document is a candidate, since it might be a
            second right answer.
        queries: how many A are drawn.
        candidates: pages a query, the true B among them.
        batch_size: pairs scored at once.
        seed: of the draw.

    Returns:
        ``None`` where there is no positive or no other page.
    """
    positives = [pair for pair in test if pair.label == 1]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    rng = np.random.default_rng(seed)
    drawn = [positives[i] for i in rng.permutation(len(positives))[:queries]]
    if not drawn or candidates < 2:
        return None
    hard = hard_candidates(texts, drawn, pages, Documents(group_pattern), candidates - 1)
    rows = [(pair.a, title) for pair, others in zip(drawn, hard, strict=True) for title in (pair.b, *others)]
    tick = Ticker("scoring the ranked pairs", len(rows))
    streamed = scorer.stream(((texts[a], texts[b]) for a, b in rows), batch_size)
    scores = np.array([p for p, _ in tick.watch(streamed)])
    ranks, start = [], 0
    for others in hard:
        own = scores[start : start + 1 + len(others)]
        ranks.append(1 + int((own[1:] >= own[0]).sum()))
        start += len(own)
    return summarize(
        np.array(ranks),
        [documents for documents in map(Documents(group_pattern), (p.a for p in drawn))],
        candidates,
        seed,
    )


def summarize(ranks: np.ndarray, documents: Sequence[str], candidates: int, seed: int) -> Ranking:
    """Figures of the ranks (``int [queries]``, 1 is best), with intervals that resample the queries' documents."""
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
    """For each A the pages most like it, none of its own document."""
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

"""Scores pairs of pages without any training run: weights are fitted on self-labelled pairs of the pages themselves.

A document's next page is a positive, a page of another, mostly similar, document a negative. So nobody has to label
anything, and nothing is fine-tuned; but the answer is only as good as the documents' order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.adjacency import adjacency
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.texts import text_key
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.serving.hybrid import Hybrid, Weight, fit_hybrid, probabilities_of

MOST_PAIRS = 3000
"""More self-labelled pairs cost time and do not make the few weights better."""
FEWEST_PAIRS = 100
"""With fewer pairs nothing is fitted."""


@dataclasses.dataclass(frozen=True)
class CosineLogit:
    """Turns the cosine of two vectors into a logit: cosine * ``weight`` + both densities * ``density`` + ``bias``."""

    weight: Weight
    bias: Weight
    density: Weight = 0.0

    def probabilities(self, cosines: np.ndarray, densities: np.ndarray | float = 0.0) -> np.ndarray:
        """Returns the probability for each cosine, ``float32 [pairs]``.

        Args:
            cosines: of A's and B's vectors, ``float [pairs]``.
            densities: of A and B together, ``float [pairs]`` (see `page_density`).
        """
        return probabilities_of(self.weight * cosines + self.density * densities + self.bias)


@dataclasses.dataclass(frozen=True)
class Fit:
    """How the evidence about a pair of pages is weighed.

    Attributes:
        pairs: number of self-labelled pairs; 0 if there were too few, so that nothing is fitted.
        cosine: of the pages' vectors; ``None`` if there are no vectors, or nothing is fitted.
        hybrid: the combination of both logits; ``None`` if there are no vectors, or nothing is fitted.
        outdated: whether pages have changed since; then the weights are fitted again sooner or later.
    """

    pairs: int
    cosine: CosineLogit | None = None
    hybrid: Hybrid | None = None
    outdated: bool = False


def fit_on_next_pages(
    pages: Mapping[str, str],
    frequencies: PageFrequencies,
    group_pattern: str,
    vectors: Mapping[str, np.ndarray] | None = None,
    densities: Mapping[str, float] | None = None,
) -> tuple[LexicalModel, Fit]:
    """Fits a lexical model to next pages and, if there are vectors, its combination with their cosine.

    The combination is fitted on documents to which the lexical model was not fitted.

    Args:
        pages: title -> text.
        frequencies: page frequencies of the pages.
        group_pattern: regular expression that extracts the document from a title.
        vectors: vector of each text by `text_key`, of length 1, ``float32 [dim]``.
        densities: density of each text by `text_key`; ``None`` to do without.

    Returns:
        The lexical model (the TF-IDF cosine alone if there are fewer than `FEWEST_PAIRS`), and the fit.
    """
    from keras_negaposi.data.next_page_pairs import sample_next_pages  # with scikit-learn, which only fitting needs
    from keras_negaposi.data.splits import split_pairs

    document = Documents(group_pattern)
    adjacent = adjacency(pages, document).pairs
    enough = len(adjacent) >= FEWEST_PAIRS  # no pair of adjacent pages makes more than one pair
    pairs = sample_next_pages(pages, adjacent, document, set(), MOST_PAIRS) if enough else []
    if len(pairs) < FEWEST_PAIRS:
        return LexicalModel.of_cosine(frequencies), Fit(0)
    if vectors is None:
        return LexicalModel.fit(pages, pairs, frequencies), Fit(len(pairs))
    try:
        parts = split_pairs(pairs, "grouped", 0.5, 0.0, group_pattern, seed=0).parts
        train, rest = list(parts["train"]), list(parts["test"])
    except InputError:  # too few documents to hold some of them out
        return LexicalModel.of_cosine(frequencies), Fit(0)
    model = LexicalModel.fit(pages, train, frequencies)
    return model, _fit_combination(pages, rest, model, vectors, densities, len(pairs))


def _fit_combination(
    pages: Mapping[str, str],
    held_out: list[Pair],
    model: LexicalModel,
    vectors: Mapping[str, np.ndarray],
    densities: Mapping[str, float] | None,
    pairs: int,
) -> Fit:
    """Fits the cosine's logit and the combination to pairs to which the lexical model was not fitted."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it

    labels = np.array([pair.label for pair in held_out])
    keys = [(text_key(pages[pair.a]), text_key(pages[pair.b])) for pair in held_out]
    cosines = np.array([vectors[a] @ vectors[b] for a, b in keys])
    together = np.array([densities[a] + densities[b] if densities else 0.0 for a, b in keys])
    regression = LogisticRegression(C=1e3).fit(np.column_stack([cosines, together]), labels)
    weight, density = map(float, regression.coef_[0])
    cosine = CosineLogit(weight, float(regression.intercept_[0]), density)
    hybrid = fit_hybrid(labels, cosine.probabilities(cosines, together), model.logits(pages, held_out))
    return Fit(pairs, cosine, hybrid)


def combined(fit: Fit, has_vectors: bool, probabilities: np.ndarray, lexical_logits: np.ndarray) -> np.ndarray:
    """Returns the score of each of a query's pages, ``float [pages]``: probabilities if anything was fitted.

    Otherwise the score is the TF-IDF cosine or, if there are vectors, the fusion of both rankings.

    Args:
        fit: the weights.
        has_vectors: whether there are ``probabilities``.
        probabilities: by the vectors. If nothing is fitted, any increasing function of the cosine.
        lexical_logits: of the `LexicalModel`.
    """
    if not fit.pairs:
        return reciprocal_ranks([probabilities, lexical_logits]) if has_vectors else lexical_logits
    if not has_vectors or fit.hybrid is None:
        return 1 / (1 + np.exp(-lexical_logits))
    return fit.hybrid.combine(probabilities, lexical_logits)


RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as in the paper."""


def reciprocal_ranks(scores: list[np.ndarray]) -> np.ndarray:
    """Fuses several rankings of the same pages (reciprocal rank fusion; Cormack et al. 2009).

    Args:
        scores: by ranking, ``float [pages]``; higher is better.

    Returns:
        ``float64 [pages]``; 1 for a page that is first in all rankings.
    """
    total = np.zeros(len(scores[0]))
    for of_ranking in scores:
        ranks = np.empty(len(of_ranking))
        ranks[np.argsort(-of_ranking, kind="stable")] = np.arange(1, len(of_ranking) + 1)
        total += (RANK_CONSTANT + 1) / (RANK_CONSTANT + ranks)
    return total / len(scores)

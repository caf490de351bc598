"""What an index ranks with: a finished run, or what was fitted on the pages themselves without one."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.schema import checked
from keras_negaposi.config import PretrainedConfig
from keras_negaposi.index_files.checked_files import FIX
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vectors import Vectors
from keras_negaposi.links_page.message import Message
from keras_negaposi.retrieval.hybrid_ranker import Combine
from keras_negaposi.retrieval.lexical_part import LexicalPart, read_lexical_part
from keras_negaposi.retrieval.rankers import SideScorer
from keras_negaposi.retrieval.self_labelled import Fit, combined
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import FITTED_THRESHOLD, saved_combination
from keras_negaposi.serving.hybrid import Hybrid

if TYPE_CHECKING:
    from keras_negaposi.retrieval.cached_encoder import CachedScorer

KIND, UNTRAINED = "kind of model", "untrained"
LEXICAL = "lexical model"
"""Keys and a value of `Store.model`."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """What an index ranks with, and what it was trained on.

    Attributes:
        scorer: encodes texts and compares them; ``None`` in a lexical index.
        lexical: the lexical part; ``None`` if the index ranks by the model alone.
        combine: combines both; ``None`` if there is no lexical part.
        group_pattern: regular expression that extracts the document from a title.
        threshold: B is predicted to come next where the score is above it.
        vectors: the centred ones of an index without a run; ``None`` for a run, or if there are none.
        run: folder of the run; ``None`` if there is none.
        negaposi: file of the labelled pairs; ``None`` if there are none.
        note: says that nothing was trained; ``None`` for a run.
        weights: of a score's parts, whose sum is its logit; ``None`` if it has one part, or is no probability.
        is_probability: whether scores are probabilities, and not only order the pages.
    """

    scorer: SideScorer | None
    lexical: LexicalPart | None
    combine: Combine | None
    group_pattern: str
    threshold: float
    vectors: Vectors | None = None
    run: str | None = None
    negaposi: str | None = None
    note: Message | None = None
    weights: Hybrid | None = None
    is_probability: bool = True


def origin_of_run(store: Store, scorer: CachedScorer, texts: Sequence[str]) -> Origin:
    """Opens the model of an index that was made with a run.

    Args:
        store: the index.
        scorer: the run's model.
        texts: of the index, each once.

    Raises:
        InputError: a file is missing or damaged.
    """
    calibration, model = saved_combination(RunFolder(scorer.run))
    lexical, combine = None, None
    if model and calibration.hybrid:
        lexical = LexicalPart(None, model)
        if store.lexical:
            lexical = read_lexical_part(store.path / store.lexical, store.lexical_checksums, texts, model)
        combine = calibration.hybrid.combine
    return Origin(
        scorer,
        lexical,
        combine,
        group_pattern=str(scorer.config["group_pattern"]),
        threshold=calibration.decision_threshold,
        run=scorer.run,
        negaposi=scorer.config.get("negaposi"),
        weights=calibration.hybrid if lexical else None,
    )


@dataclasses.dataclass(frozen=True)
class AboutUntrained:
    """What `Store.about` says about an index without a run.

    Attributes:
        group_pattern: regular expression that extracts the document from a title.
        bert: the pre-trained BERT; ``None`` in a lexical index.
        files: as in an index with a run.
    """

    group_pattern: str
    bert: PretrainedConfig | None
    files: dict[str, str]


def is_untrained(store: Store) -> bool:
    """Returns whether the index was made without a run."""
    return store.model.get(KIND) == UNTRAINED


def origin_without_run(
    store: Store, keys: Sequence[str], texts: Sequence[str], loaded: SideScorer | None = None
) -> Origin:
    """Opens what was fitted on the pages of an index.

    Args:
        store: the index.
        keys: of the texts.
        texts: of the index, each once.
        loaded: what encoded texts before an update of the index, with the same model.

    Raises:
        InputError: a file is missing or damaged, or the index is not finished.
    """
    if not store.lexical:
        raise InputError(f"{store.path}: not finished; run keras_negaposi.index again")
    about = checked(AboutUntrained, store.about, f"{store.path}: about", FIX)
    part = read_lexical_part(store.path / store.lexical, store.lexical_checksums, texts)
    fit = part.fit or Fit(0)
    scorer, vectors = None, None
    if about.bert:
        from keras_negaposi.retrieval.frozen_scorer import FrozenScorer

        load = loaded.load if isinstance(loaded, FrozenScorer) else None
        scorer = FrozenScorer(about.bert, store.named("model", "BERT"), load)
        densities = None if part.densities is None else dict(zip(keys, part.densities.tolist(), strict=True))
        vectors = Vectors(store.segments, set(keys), centred=True, densities=densities)
        scorer.attach(vectors, fit.cosine)
    return Origin(
        scorer,
        part,
        functools.partial(combined, fit, about.bert is not None),
        about.group_pattern,
        FITTED_THRESHOLD if fit.pairs else 0.0,
        vectors,
        note=_note(fit, about.bert),
        weights=fit.hybrid,
        is_probability=fit.pairs > 0,
    )


def _note(fit: Fit, bert: PretrainedConfig | None) -> Message:
    """Says what the ranking is based on."""
    key = ("ranked_by_bert" if bert else "ranked_by_text") + ("" if fit.pairs else "_alone")
    return Message(key, {"pairs": fit.pairs, "bert": str(bert.init_checkpoint)} if bert else {"pairs": fit.pairs})

"""How a finished run is judged: the baselines that use the encoder, and the ranking."""

from __future__ import annotations

import dataclasses
from typing import Literal

from checkpoints_tools.common.cli import at_least, option, path_option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.data import ALL

EMBEDDED_PAIRS = 1_500
"""Training pairs that the baselines of a run are fitted to: more take minutes, and hardly make a better opponent."""


TESTED = Needs(lambda c: c.test_share, "has no effect with --test_share 0, which leaves no test part")


@dataclasses.dataclass(frozen=True)
class JudgingConfig:
    """What the verdict on a run is computed from."""

    embedding_cache: str | None = path_option(
        None, "file for the frozen encoder's embeddings (default: in the run's folder)", old="vectors", needs=TESTED
    )
    embedded_pairs: int | Literal["all"] = option(
        EMBEDDED_PAIRS,
        "fit the baselines that use the encoder to this many training pairs, drawn at random, or to all: encoding "
        "their texts takes most of the time of the verdict",
        kind=int,
        words=(ALL,),
        check=at_least(2),
        needs=TESTED,
    )
    rank_queries: int = option(
        50,
        "number of test texts A for which the true B is ranked among other pages; 0: none",
        check=at_least(0),
        needs=TESTED,
    )
    rank_candidates: int = option(
        20,
        "number of pages that are ranked for each of these A, including the true B",
        check=at_least(2),
        needs=Needs(lambda c: c.rank_queries and c.test_share, "has no effect with --rank_queries 0 or --test_share 0"),
    )

"""What is done with a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checkpoints_tools.common.cli import at_least, between, option, path_option, required_path
from keras_negaposi.config.data import LARGEST_BATCH
from keras_negaposi.config.engine import EngineConfig
from keras_negaposi.config.training import Requirements


@dataclasses.dataclass(frozen=True)
class ArithmeticConfig:
    """What a finished model computes in."""

    precision: str = option(
        "float32",
        "int8: weights, and what is multiplied by them, in 8 bits; quicker on a processor, figures change a bit. Made "
        "of a run when first asked for, which takes a minute, and kept in its folder",
        choices=("float32", "int8"),
    )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(ArithmeticConfig, Requirements):
    """``keras_negaposi.evaluate``."""

    honbun: str = required_path("JSON object title -> text")
    negaposi: str | None = path_option(None, "JSON labelled pairs of titles; without it the run's own test pairs")
    output_dir: str | None = path_option(None, "folder for another file's figures (default: in the run's folder)")
    eval_batch_size: int = option(32, "pairs a step", check=at_least(1, LARGEST_BATCH))


@dataclasses.dataclass(frozen=True)
class PredictConfig(ArithmeticConfig):
    """``keras_negaposi.predict``."""

    input: str = path_option("-", "file of pairs, one a line; - for stdin")
    output: str = path_option("-", "file for the scores; - for stdout")
    batch_size: int = option(32, "pairs scored at once", check=at_least(1, LARGEST_BATCH))


@dataclasses.dataclass(frozen=True)
class IndexConfig(ArithmeticConfig, EngineConfig):
    """``keras_negaposi.index``."""

    honbun: str = required_path("JSON object title -> text of all pages (default: the run's own)")
    output: str = required_path("the index's folder, local; one that is there is brought up to date")
    dtype: str = option("float16", "how numbers are kept", choices=("float16", "float32"))
    batch_size: int = option(32, "texts encoded at once", check=at_least(1, LARGEST_BATCH))


@dataclasses.dataclass(frozen=True)
class SuggestConfig:
    """``keras_negaposi.suggest``."""

    title: Sequence[str] | None = option(
        None, "a page of the index; or several, the last of which is to be gone on from", several=True
    )
    text: str | None = option(None, "any text")
    top: int = option(10, "how many pages to suggest", check=at_least(1))
    rerank: int = option(0, "how many of the best the --reranker puts in order", check=at_least(0))
    reranker: str | None = path_option(
        None, "folder of a run that sees both texts at once (--head pair), or a SavedModel"
    )
    approximate: bool = option(False, "head vector: search a graph of neighbours (extra ann) instead of all pages")
    format: str = option(
        "table",
        "of the answer. scrapbox, markdown: links to paste, a document each, without A's own and those linked already",
        choices=("table", "tsv", "json", "scrapbox", "markdown"),
    )
    min_probability: float | None = option(
        None,
        "pages less likely are not suggested (default: 0; of links to paste the run's threshold)",
        kind=float,
        check=between(0.0, 1.01),
    )
    skip_linked: bool = option(False, "leave out pages that are known to follow")
    html: str | None = path_option(None, "file for a page to read: of --title or --text, or of all pages")
    run: str | None = path_option(None, "the run that made the index (default: where it lay then)")
    negaposi: str | None = path_option(
        None, "pairs whose positives are known to follow: negaposi.json or links.json (default: the run's own)"
    )

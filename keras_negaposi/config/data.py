"""The user's pairs, and what they are made from."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

from checkpoints_tools.common.cli import at_least, between, option, path_option, required_path
from checkpoints_tools.common.options import Needs, without_effect
from keras_negaposi.config.headings import DATA, MODEL, OUTPUT, SPLIT
from keras_negaposi.config.index_path import index_problem
from keras_negaposi.config.model import PretrainedConfig
from keras_negaposi.config.pair_source import PairSource

SOURCES = ("scrapbox", "markdown", "folder", "pdf", "table", "honbun")
PAGED_SOURCES = ("folder", "pdf")
"""Formats whose documents always have pages of their own."""
SPLITS, BOTH = ("random", "grouped"), "both"
ALL = "all"
"""As many as there are."""
AUTO = "auto"
"""As the data allow."""
AUTO_DEV_SHARE = 0.1
"""Share of the training pairs that `AUTO` sets aside, if they are enough."""
SMALLEST_AUTO_DEV = 100
"""Pairs: `AUTO` makes no smaller dev part. On 100 pairs, the standard error of an accuracy is 3 to 5 points."""
LARGEST_BATCH = 1 << 20
SEEDS = 2**32
_NO_PREFIX = "has no effect on baselines, which see the texts as they are"
_LENGTH_COUNTS = Needs(
    lambda c: c.format not in PAGED_SOURCES, "has no effect on text files or PDF files of pages, which are not cut"
)


def pattern_problem(pattern: str) -> str | None:
    """Returns what is wrong with a ``--group_pattern``, and the fix; ``None`` if nothing is."""
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression: {error}"
    return None if groups == 1 else "must have exactly one group, the document; write (...)"


@dataclasses.dataclass(frozen=True)
class DataConfig(PairSource, PretrainedConfig):
    """The user's pairs, their split, and their longest length."""

    truncate_a: str = option(
        "end",
        "which end of a long A is cut (a long B always loses its end). end: as in run_classifier.py; start: keeps the "
        "words that B would come next to",
        choices=("end", "start"),
        heading=MODEL,
    )
    prefix_a: str | None = option(
        None,
        "words before every A, which are never cut; those that the BERT was trained with, such as 'query: ' for E5 "
        "(default: none)",
        heading=MODEL,
    )
    prefix_b: str | None = option(None, "words before every B (default: none)", heading=MODEL)
    split: str = option(
        "random",
        "random: split by pair; grouped: no document is in both train and test",
        choices=SPLITS,
        heading=SPLIT,
    )
    test_share: float = option(
        0.25,
        "share of the pairs that form the test part; 0: none, so that all pairs are trained on and nothing is measured",
        check=lambda value: None if value == 0 or 0.01 <= value < 1 else "must be 0, or at least 0.01 and below 1",
        heading=SPLIT,
    )
    dev_share: float | Literal["auto"] = option(
        AUTO,
        "share of the training pairs that form the dev part, on which probabilities are calibrated; 0: no dev part; "
        f"auto: {AUTO_DEV_SHARE} if that makes at least {SMALLEST_AUTO_DEV} pairs, otherwise 0",
        kind=float,
        words=(AUTO,),
        check=between(0.0, 1.0),
        heading=SPLIT,
    )
    group_pattern: str = option(
        r"^(.*),",
        "regular expression whose group is the document in a page's title",
        check=pattern_problem,
        heading=SPLIT,
    )
    seed: int = option(
        0,
        "seed of the split, of the initial weights, of the order of pairs and of the dropout",
        check=between(0, SEEDS),
    )
    split_seed: int | None = option(
        None, "seed of the split alone (default: --seed)", kind=int, check=between(0, SEEDS), heading=SPLIT
    )
    next_page_pairs: int | Literal["all"] = option(
        0,
        "adds this many self-labelled training pairs, or all that there are, from pages that appear in no dev or test "
        "pair: positives are adjacent pages of a document (--group_pattern), negatives combine two, mostly similar, "
        "documents",
        words=(ALL,),
        check=at_least(0),
        old="augment_next",
        heading=DATA,
    )

    @property
    def seed_of_split(self) -> int:
        """The seed that the split depends on."""
        return self.seed if self.split_seed is None else self.split_seed


@dataclasses.dataclass(frozen=True)
class PairsConfig:
    """Options of ``keras_negaposi.pairs``."""

    output: str = required_path(
        "new folder for honbun_data.json, negaposi.json and a README.md with the counts", heading=OUTPUT
    )
    format: str = option(
        "auto",
        "format of what is read; auto: recognized by name and content",
        choices=("auto", *SOURCES),
        heading=DATA,
    )
    positive: str = option(
        "next",
        "B of a positive pair. next: the next page of A's document; link: the first page of a document that A links "
        "to (the link is masked in A); both: either",
        choices=("next", "link", "both"),
        heading=DATA,
    )
    negative: str = option(
        "hard",
        "B of a negative pair. random: a page of any other document; hard: mostly of documents similar to A's; mined: "
        "mostly a page that the model of --index ranks high",
        choices=("random", "hard", "mined"),
        heading=DATA,
    )
    hard_share: float = option(
        2 / 3,
        "share of the negatives that are hard or mined",
        check=between(0.0, 1.01),
        needs=Needs(lambda c: c.negative != "random", "has no effect with --negative random"),
    )
    index: str | None = path_option(
        None,
        "for --negative mined: an index of these pages, written by keras_negaposi.index",
        check=index_problem,
        needs=Needs(lambda c: c.negative == "mined", "has an effect with --negative mined only"),
    )
    decisions: str | None = path_option(
        None,
        "decisions exported from the suggestions page, about links between these pages: accepted links become "
        "positive pairs, rejected ones negative pairs",
        heading=DATA,
    )
    count: int | None = option(
        None, "number of pairs (default: as many as possible)", kind=int, check=at_least(2), heading=OUTPUT
    )
    length: int = option(
        200,
        "length of a page, where documents have no pages of their own",
        check=at_least(10, 10**6),
        heading=DATA,
        needs=_LENGTH_COUNTS,
    )
    unit: str = option(
        "characters",
        "unit of --length; pieces: tokens of --model_file",
        choices=("characters", "pieces"),
        needs=_LENGTH_COUNTS,
    )
    model_file: str | None = path_option(
        None,
        "SentencePiece .model, for --unit pieces",
        needs=Needs(lambda c: c.unit == "pieces", "has an effect with --unit pieces only"),
    )
    min_length: int = option(1, "drop pages with fewer characters", check=at_least(1))
    min_japanese: float = option(
        0.0, "drop pages of whose letters a smaller share is kana or kanji", check=between(0.0, 1.01)
    )
    keep_duplicates: bool = option(False, "keep pages whose text occurred before")
    group_pattern: str = option(
        r"^(.*),",
        "regular expression whose group is the document in a page's title, where pages have titles",
        check=pattern_problem,
    )
    seed: int = option(0, "seed of every random choice", check=between(0, SEEDS))


@dataclasses.dataclass(frozen=True)
class BaselineConfig(DataConfig):
    """Options of ``keras_negaposi.baseline``."""

    truncate_a: str = without_effect(
        DataConfig, "truncate_a", "has no effect on baselines, which see A and B separately"
    )
    prefix_a: str | None = without_effect(DataConfig, "prefix_a", _NO_PREFIX)
    prefix_b: str | None = without_effect(DataConfig, "prefix_b", _NO_PREFIX)
    pooling: str = option(
        "first",
        "embedding of a text: the first token of the last layer, or the mean of the last layer's tokens",
        choices=("first", "mean"),
        heading=MODEL,
    )
    embedded_pairs: int | Literal["all"] = option(
        ALL,
        "fit the baselines that use the encoder to this many training pairs, drawn at random, or to all: encoding "
        "takes most of the time, and frozen + lexical gains little beyond 1500",
        kind=int,
        words=(ALL,),
        check=at_least(2),
        heading=MODEL,
    )
    encode_batch_size: int = option(32, "texts per step", check=at_least(1, LARGEST_BATCH))
    precision: str = option(
        "auto",
        "arithmetic of the encoder; auto: bfloat16 where the hardware supports it, otherwise float32",
        choices=("auto", "float32", "bfloat16"),
        heading=MODEL,
    )
    embedding_cache: str | None = path_option(
        None, "file for the embeddings, which later calls reuse (default: in --output_dir)", old="vectors"
    )
    output_dir: str = required_path("folder for the figures (default: runs/baseline- and the time)", heading=OUTPUT)

    def conflict(self) -> str | None:
        """Returns what is wrong with the options, and the fix; ``None`` if nothing is."""
        if not self.test_share:
            return "--test_share 0: the baselines are measured on the test part; give a share of at least 0.01"
        return None

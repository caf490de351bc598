"""The user's pairs, and what they are made of."""

from __future__ import annotations

import dataclasses
import re

from checkpoints_tools.common.cli import at_least, between, option, path_option, required_path
from keras_negaposi.config.model import ModelFiles

SOURCES = ("scrapbox", "markdown", "folder", "pdf", "table", "honbun")
SPLITS, BOTH = ("random", "grouped"), "both"
SHORTEST_PAIR = 5
"""[CLS] A [SEP] B [SEP] with one piece of either text."""
LONGEST_INPUT = 1 << 16
"""Pieces: no BERT has as many positions."""
LARGEST_BATCH = 1 << 20
SEEDS = 2**32


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a ``--group_pattern``, and the fix."""
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression: {error}"
    return None if groups == 1 else "must have exactly one group, the document; write (...)"


@dataclasses.dataclass(frozen=True)
class DataConfig(ModelFiles):
    """The user's pairs, how they are cut, and how long they may be."""

    honbun: str = required_path("JSON object title -> text (honbun_data.json)")
    negaposi: str = required_path("JSON labelled pairs of titles (negaposi.json)")
    max_seq_length: int = option(
        128,
        "pieces of an input; longer ones are cut. An input is [CLS] A [SEP] B [SEP], or either text alone where the "
        "head encodes them apart",
        check=at_least(SHORTEST_PAIR, LONGEST_INPUT),
    )
    truncate_a: str = option(
        "end",
        "where a pair's long A is cut (a long B always at its end). end: as run_classifier.py does; "
        "start: keeps the words that B would come next to",
        choices=("end", "start"),
    )
    split: str = option("random", "random: by pair; grouped: no document in both train and test", choices=SPLITS)
    test_share: float = option(0.25, "share of the pairs to test on", check=between(0.01, 1.0))
    dev_share: float = option(
        0.0, "share of the training pairs set aside for choosing anything", check=between(0.0, 1.0)
    )
    group_pattern: str = option(
        r"^(.*),", "grouped split: regular expression whose group is the document in a title", check=pattern_problem
    )
    seed: int = option(0, "seed of the split, the initial weights, the order and the dropout", check=between(0, SEEDS))

    split_seed: int | None = option(
        None, "seed of the split alone (default: --seed)", kind=int, check=between(0, SEEDS)
    )
    next_page_pairs: int = option(
        0,
        "more pairs to train on, drawn of pages that are in no pair to be tested on: positives are next pages of one "
        "document (--group_pattern), negatives join two, most of them alike",
        check=at_least(0),
        old="augment_next",
    )

    @property
    def seed_of_split(self) -> int:
        """What the split is drawn with."""
        return self.seed if self.split_seed is None else self.split_seed


@dataclasses.dataclass(frozen=True)
class PairsConfig:
    """``keras_negaposi.pairs``."""

    output: str = required_path("folder for honbun_data.json, negaposi.json and what was counted")
    format: str = option("auto", "of what is read; auto: told by its name and content", choices=("auto", *SOURCES))
    positive: str = option(
        "next",
        "B is the next page of A's document, or the first page of a document that A links to (the link is masked in A)",
        choices=("next", "link", "both"),
    )
    negative: str = option(
        "hard",
        "B of the negatives. random: of any document; hard: most of documents like A's; mined: most of the pages that "
        "the model of --index ranks highest",
        choices=("random", "hard", "mined"),
    )
    hard_share: float = option(2 / 3, "share of the negatives that are hard or mined", check=between(0.0, 1.01))
    index: str | None = path_option(None, "negative mined: folder that keras_negaposi.index has written of these pages")
    count: int | None = option(None, "pairs to draw (default: all)", kind=int, check=at_least(2))
    length: int = option(200, "of a page, where documents have no pages of their own", check=at_least(10, 10**6))
    unit: str = option("characters", "of --length; pieces are --model_file's", choices=("characters", "pieces"))
    model_file: str | None = path_option(None, "SentencePiece .model, for --unit pieces")
    min_length: int = option(1, "characters; shorter pages are dropped", check=at_least(1))
    min_japanese: float = option(
        0.0, "share of a page's letters that are kana or kanji; others are dropped", check=between(0.0, 1.01)
    )
    keep_duplicates: bool = option(False, "keep pages whose text occurred before")
    group_pattern: str = option(
        r"^(.*),", "regular expression whose group is the document in a title, if titles have it", check=pattern_problem
    )
    seed: int = option(0, "of every draw", check=between(0, SEEDS))


@dataclasses.dataclass(frozen=True)
class BaselineConfig(DataConfig):
    """``keras_negaposi.baseline``."""

    pooling: str = option(
        "first",
        "vector of a text that is classified: the last layer's first token, or the mean of its tokens",
        choices=("first", "mean"),
    )
    encode_batch_size: int = option(32, "texts a step", check=at_least(1, LARGEST_BATCH))
    precision: str = option("auto", "arithmetic of the encoder", choices=("auto", "float32", "bfloat16"))
    embedding_cache: str | None = path_option(
        None, "file that keeps the vectors for another call (default: in --output_dir)", "vectors"
    )
    output_dir: str | None = path_option(None, "folder for the figures (default: runs/baseline- and the time)")

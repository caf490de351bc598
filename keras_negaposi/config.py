"""What a run is told: one frozen dataclass a command, whose fields are also its flags."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Sequence

from checkpoints_tools.config import CONFIG_NAMES
from checkpoints_tools.errors import InputError
from checkpoints_tools.files import is_remote
from checkpoints_tools.options import above, at_least, between, option
from checkpoints_tools.tokenizer_files import find_word_piece
from keras_negaposi.heads.registry import HEADS

SPLITS, BOTH = ("random", "grouped"), "both"
SOURCES = ("scrapbox", "markdown", "folder", "pdf", "table", "honbun")
SHORTEST_PAIR = 5
"""[CLS] A [SEP] B [SEP] with one piece of either text."""


@dataclasses.dataclass(frozen=True)
class ModelFiles:
    """The pre-trained BERT. What is not given is looked for beside the checkpoint."""

    init_checkpoint: str | None = option(
        None,
        "pre-trained BERT: a TF1 checkpoint's prefix (model.ckpt-1400000), one of its files, or folder; also a TF2 "
        "checkpoint, a Hugging Face folder, a finished run",
    )
    bert_config_file: str | None = option(
        None, "bert_config.json, bert-japanese's config.ini, or Hugging Face's config.json"
    )
    num_attention_heads: int | None = option(None, "of a checkpoint without a BERT config", kind=int, check=at_least(1))
    model_file: str | None = option(None, "SentencePiece .model of the pre-training")
    vocab_file: str | None = option(None, "SentencePiece .vocab of the pre-training")
    do_lower_case: bool = option(True, "lower-case the texts, as bert-japanese does")


@dataclasses.dataclass(frozen=True)
class DataConfig(ModelFiles):
    """The user's pairs, how they are cut, and how long they may be."""

    honbun: str | None = option(None, "JSON object title -> text (honbun_data.json)")
    negaposi: str | None = option(None, "JSON labelled pairs of titles (negaposi.json)")
    max_seq_length: int = option(
        128,
        "pieces of an input; longer ones are cut. An input is [CLS] A [SEP] B [SEP], or either text alone where the "
        "head encodes them apart",
        check=at_least(SHORTEST_PAIR),
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
    group_pattern: str = option(r"^(.*),", "grouped split: regular expression whose group is the document in a title")
    seed: int = option(0, "seed of the split, the initial weights, the order and the dropout", check=between(0, 2**32))

    split_seed: int | None = option(None, "seed of the split alone (default: --seed)", kind=int, check=at_least(0))
    augment_next: int = option(
        0,
        "more pairs to train on, drawn of pages that are in no pair to be tested on: positives are next pages of one "
        "document (--group_pattern), negatives join two, most of them alike",
        check=at_least(0),
    )

    @property
    def packing(self) -> str:
        """Name of the `features.Packing` of the records."""
        return "together"

    @property
    def seed_of_split(self) -> int:
        """What the split is drawn with."""
        return self.seed if self.split_seed is None else self.split_seed


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """The pair model, and what some of them can be told."""

    head: str = option(
        "pair",
        "the pair model. pair: run_classifier.py's; pair_means: the same with another pooling, for a BERT whose "
        "pooler is untrained; the others encode A and B apart, so that B's side can be kept: vector (cosine), dot, "
        "additive, reduced, lowrank (attentions), midfusion (the first layers apart)",
        choices=tuple(HEADS),
    )
    head_size: int | None = option(
        None, "numbers a vector or token that are kept of B (default: the head's own)", kind=int, check=at_least(1)
    )
    tie_projections: bool = option(False, "one projection for A and B: then only the classifier tells their roles")
    dimension_dropout: float = option(0.3, "reduced: share of the dimensions that are dropped", check=between(0.0, 1.0))
    inference_masks: int = option(0, "reduced: fixed masks that are averaged over in use; 0: none", check=at_least(0))
    separate_layers: int | None = option(
        None, "midfusion: layers that see A and B apart (default: two thirds)", kind=int, check=at_least(1)
    )

    frozen_layers: int = option(
        0,
        "the encoder's lowest layers that keep the checkpoint's values, and the embeddings with them: half of all "
        "layers make a step a third faster",
        check=at_least(0),
    )

    @property
    def packing(self) -> str:
        """Name of the `features.Packing` that the head reads."""
        return HEADS[self.head]

    def size_or(self, default: int) -> int:
        """``head_size``, or the head's own."""
        return self.head_size or default


@dataclasses.dataclass(frozen=True)
class PrepareConfig(HeadConfig, DataConfig):
    """``keras_negaposi.prepare``."""

    output_dir: str | None = option(None, "folder for the TFRecords, local or gs://")


@dataclasses.dataclass(frozen=True)
class Requirements:
    """What makes a command fail that has otherwise done its work: for scripts."""

    require_accuracy: float = option(0.0, "exit code 1 if the test accuracy is below", check=between(0.0, 1.01))
    fail_on_warning: bool = option(False, "exit code 1 if there are warnings")


@dataclasses.dataclass(frozen=True)
class TrainConfig(HeadConfig, DataConfig, Requirements):
    """``keras_negaposi.train``; names and meanings of ``run_classifier.py`` where it has them."""

    split: str = option(
        "random",
        "random: by pair; grouped: no document in both train and test; both: one run each",
        choices=(*SPLITS, BOTH),
    )
    seeds: int = option(1, "runs, each with the next --seed on the same split", check=at_least(1))
    records: str | None = option(None, "folder of TFRecords made by prepare, or to make (default: in the run's folder)")
    train_batch_size: int = option(32, "pairs a step, over all devices", check=at_least(1))
    length_buckets: int = option(
        4,
        "lengths that inputs are padded to, for steps of similar lengths; 1: steps of pairs as they come",
        check=at_least(1),
    )
    eval_batch_size: int = option(32, "pairs a step in evaluation", check=at_least(1))
    learning_rate: float = option(2e-5, "peak learning rate", check=above(0.0))
    head_learning_rate: float | None = option(
        None,
        "peak learning rate of what the checkpoint does not have (default: --learning_rate; 1e-3 where A and B are "
        "encoded apart, a tenth of it for their projections)",
        kind=float,
        check=above(0.0),
    )
    num_train_epochs: float = option(
        5.0, "passes over the training pairs; steps = int(pairs / batch * passes)", check=above(0.0)
    )
    warmup_proportion: float = option(
        0.1, "share of the steps in which the learning rate rises linearly", check=between(0.0, 1.0)
    )
    precision: str = option(
        "auto",
        "arithmetic of the training; auto: bfloat16 where the hardware has it",
        choices=("auto", "float32", "bfloat16"),
    )
    save_checkpoints_steps: int = option(200, "steps between two checkpoints", check=at_least(1))
    log_every_steps: int = option(25, "steps between two progress lines and TensorBoard points", check=at_least(1))
    teacher: str | None = option(None, "finished run whose probabilities are aimed at beside the labels")
    teacher_weight: float = option(
        0.5, "of the teacher's probabilities; the rest is the label's", check=between(0, 1.01)
    )
    augment: int = option(
        0, "pairs without a label to train on too, drawn of like pages for the teacher", check=at_least(0)
    )
    vectors: str | None = option(None, "file that keeps the frozen encoder's vectors (default: in the run's folder)")
    rank_queries: int = option(50, "test texts A for which the true B is ranked among others", check=at_least(0))
    rank_candidates: int = option(20, "pages a ranking, the true B among them", check=at_least(2))
    output_dir: str | None = option(None, "the run's folder (default: runs/ and the time)")
    resume: bool = option(False, "go on with the run in --output_dir; other flags may then be left out")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Requirements):
    """``keras_negaposi.evaluate``."""

    honbun: str | None = option(None, "JSON object title -> text")
    negaposi: str | None = option(None, "JSON labelled pairs of titles; without it the run's own test pairs")
    output_dir: str | None = option(None, "folder for another file's figures (default: in the run's folder)")
    eval_batch_size: int = option(32, "pairs a step", check=at_least(1))


@dataclasses.dataclass(frozen=True)
class PairsConfig:
    """``keras_negaposi.pairs``."""

    output: str | None = option(None, "folder for honbun_data.json, negaposi.json and what was counted")
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
    index: str | None = option(None, "negative mined: folder that keras_negaposi.index has written of these pages")
    count: int | None = option(None, "pairs to draw (default: all)", kind=int, check=at_least(2))
    length: int = option(200, "of a page, where documents have no pages of their own", check=at_least(10))
    unit: str = option("characters", "of --length; pieces are --model_file's", choices=("characters", "pieces"))
    model_file: str | None = option(None, "SentencePiece .model, for --unit pieces")
    min_length: int = option(1, "characters; shorter pages are dropped", check=at_least(1))
    min_japanese: float = option(
        0.0, "share of a page's letters that are kana or kanji; others are dropped", check=between(0.0, 1.01)
    )
    keep_duplicates: bool = option(False, "keep pages whose text occurred before")
    group_pattern: str = option(
        r"^(.*),", "regular expression whose group is the document in a title, if titles have it"
    )
    seed: int = option(0, "of every draw", check=between(0, 2**32))


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """``keras_negaposi.predict``."""

    input: str = option("-", "file of pairs, one a line; - for stdin")
    output: str = option("-", "file for the scores; - for stdout")
    batch_size: int = option(32, "pairs scored at once", check=at_least(1))


@dataclasses.dataclass(frozen=True)
class IndexConfig:
    """``keras_negaposi.index``."""

    honbun: str | None = option(None, "JSON object title -> text of all pages (default: the run's own)")
    output: str | None = option(None, "the index's folder, local; one that is there is brought up to date")
    dtype: str = option("float16", "how numbers are kept", choices=("float16", "float32"))
    batch_size: int = option(32, "texts encoded at once", check=at_least(1))


@dataclasses.dataclass(frozen=True)
class SuggestConfig:
    """``keras_negaposi.suggest``."""

    title: Sequence[str] | None = option(
        None, "a page of the index; or several, the last of which is to be gone on from", several=True
    )
    text: str | None = option(None, "any text")
    top: int = option(10, "how many pages to suggest", check=at_least(1))
    rerank: int = option(0, "how many of the best the --reranker puts in order", check=at_least(0))
    reranker: str | None = option(None, "folder of a run that sees both texts at once (--head pair), or a SavedModel")
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
    html: str | None = option(None, "file for a page to read: of --title or --text, or of all pages")
    run: str | None = option(None, "the run that made the index (default: where it lay then)")
    negaposi: str | None = option(
        None, "pairs whose positives are known to follow: negaposi.json or links.json (default: the run's own)"
    )


@dataclasses.dataclass(frozen=True)
class BaselineConfig(DataConfig):
    """``keras_negaposi.baseline``."""

    pooling: str = option(
        "first",
        "vector of a text that is classified: the last layer's first token, or the mean of its tokens",
        choices=("first", "mean"),
    )
    encode_batch_size: int = option(32, "texts a step", check=at_least(1))
    precision: str = option("auto", "arithmetic of the encoder", choices=("auto", "float32", "bfloat16"))
    vectors: str | None = option(None, "file that keeps the vectors for another call (default: in --output_dir)")
    output_dir: str | None = option(None, "folder for the figures (default: runs/baseline- and the time)")


REQUIRED = ("honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file")
_BESIDE_CHECKPOINT = {
    "bert_config_file": CONFIG_NAMES,
    "model_file": ("*.model",),
    "vocab_file": ("*.vocab",),
}


def complete_model_files(values: dict[str, object]) -> dict[str, object]:
    """Fills in the config, SentencePiece model and vocabulary that lie beside the checkpoint.

    Raises:
        InputError: a required option is neither given nor found.
    """
    checkpoint = values.get("init_checkpoint")
    completed = dict(values)
    if isinstance(checkpoint, str) and not is_remote(checkpoint):
        folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint) or "."
        for name, patterns in _BESIDE_CHECKPOINT.items():
            if completed.get(name) is None:
                completed[name] = _only_match(folder, patterns, name)
        word_piece = find_word_piece(folder)
        if completed["model_file"] is None and word_piece:
            raise InputError(
                f"{word_piece}: this BERT's tokenizer is WordPiece, and only SentencePiece ones are supported; give a "
                "BERT with a SentencePiece .model and .vocab"
            )
    return completed


def check_required(values: dict[str, object], names: tuple[str, ...] = REQUIRED) -> None:
    """Refuses a configuration that lacks one of ``names``.

    Raises:
        InputError: names the flag.
    """
    for name in names:
        if values.get(name) is None:
            hint = " (nothing of the kind lies beside --init_checkpoint)" if name in _BESIDE_CHECKPOINT else ""
            raise InputError(f"--{name} is missing{hint}; give its path")


def _only_match(folder: str, patterns: tuple[str, ...], name: str) -> str | None:
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        if len(found) > 1:
            raise InputError(f"{folder}: {len(found)} files match {pattern}; say which one with --{name}")
        if found:
            return found[0]
    return None

"""What is done with a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checkpoints_tools.common.cli import at_least, between, option, path_option, required_path
from checkpoints_tools.common.options import Needs, with_needs
from keras_negaposi.config.data import AUTO, LARGEST_BATCH, pattern_problem
from keras_negaposi.config.engine import EngineConfig
from keras_negaposi.config.headings import DATA, MODEL, OUTPUT, QUERY, SCRIPTS
from keras_negaposi.config.index_path import index_problem
from keras_negaposi.config.model import PretrainedConfig
from keras_negaposi.config.pair_source import PAIR_SOURCES, PairSource, has_columns
from keras_negaposi.config.training import Requirements

FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
"""The arithmetic of a finished model."""
LINK_FORMATS = ("scrapbox", "markdown")
"""Formats of ``suggest`` that are links to paste, without the pages that are linked already."""


MANY = 1_000
"""Texts or pairs from which ``auto`` considers bfloat16: loading it takes longer, which so many repay."""


def _precision(default: str, more: str, needs: Needs | None = None) -> str:
    """Returns the option ``precision``: the arithmetic of a finished model."""
    return option(
        default,
        "bfloat16: faster where the hardware supports it, with results that differ in the second or third digit. "
        f"{more}int8: 8-bit weights and activations, faster on any CPU, and less exact; the int8 model is made from "
        "the run at its first use, which takes a minute, and is kept in the run's folder",
        choices=(AUTO, FLOAT32, BFLOAT16, INT8),
        heading=MODEL,
        needs=needs,
    )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(PairSource, Requirements):
    """Options of ``keras_negaposi.evaluate``."""

    precision: str = _precision(FLOAT32, "auto: bfloat16 there, otherwise float32. ")

    honbun: str = required_path("JSON object title -> text, for the pairs of --negaposi", heading=DATA)
    negaposi: str = required_path("JSON labelled pairs of titles (default: the test pairs of the run)", heading=DATA)
    output_dir: str | None = path_option(
        None,
        "folder for the figures of other pairs or another precision (default: in the run's folder)",
        heading=OUTPUT,
        needs=Needs(
            lambda c: not c.is_of_run, "has no effect on the run's own figures, which are written to the run's folder"
        ),
    )
    eval_batch_size: int = option(
        32,
        "pairs per step",
        check=at_least(1, LARGEST_BATCH),
        needs=Needs(lambda c: not c.is_of_run, "has no effect on the run's own figures, which use the run's value"),
    )
    compare: str | None = path_option(
        None,
        "file for a web page that compares several RUNs with the first one, on the test pairs that all of them have",
        heading=OUTPUT,
        needs=Needs(lambda c: c.is_of_run, "has no effect with other pairs or another --precision"),
    )
    require_accuracy: float = with_needs(
        Requirements, "require_accuracy", Needs(lambda c: not c.compare, "has no effect with --compare")
    )
    fail_on_warning: bool = option(
        False,
        "exit with code 1 if there are warnings",
        heading=SCRIPTS,
        needs=Needs(
            lambda c: c.is_of_run and not c.compare,
            "has no effect with --compare, other pairs or another --precision, which give no warnings",
        ),
    )

    @property
    def is_of_run(self) -> bool:
        """Whether the run's own test pairs are evaluated, with the model as it was trained."""
        return self.precision == FLOAT32 and not any(getattr(self, name) for name in PAIR_SOURCES)


@dataclasses.dataclass(frozen=True)
class PredictConfig(EngineConfig):
    """Options of ``keras_negaposi.predict``."""

    precision: str = _precision(AUTO, f"auto: bfloat16 there for a file of {MANY:,} pairs or more, otherwise float32. ")

    input: str = path_option("-", "file of pairs, one per line; - for stdin", heading=DATA)
    columns: str | None = option(
        None,
        "names of the two columns of texts: TEXT_A,TEXT_B (default: text_a,text_b)",
        check=has_columns("TEXT_A,TEXT_B"),
        heading=DATA,
    )
    output: str = path_option("-", "file for the scores; - for stdout", heading=OUTPUT)
    batch_size: int = option(32, "pairs scored together", check=at_least(1, LARGEST_BATCH))


_NO_RUN = Needs(lambda c: not c.run, "has no effect with a RUN, which has its own")
_BERT = Needs(lambda c: not c.run and c.init_checkpoint, "has an effect with --init_checkpoint and without a RUN only")
_VECTORS = Needs(
    lambda c: c.run or c.init_checkpoint, "has no effect without a RUN or --init_checkpoint: there is nothing to encode"
)


@dataclasses.dataclass(frozen=True)
class IndexConfig(EngineConfig, PretrainedConfig):
    """Options of ``keras_negaposi.index``."""

    run: str | None = path_option(None, "folder of a finished run; the same as RUN", heading=MODEL)
    honbun: str = required_path("JSON object title -> text of all pages (default: the texts of the run)", heading=DATA)
    output: str = required_path(
        "folder of the index, local, or a PostgreSQL database (extra postgres): "
        "postgresql://USER@HOST:PORT/DATABASE?index=NAME; an existing index is updated",
        check=index_problem,
        heading=OUTPUT,
    )
    dtype: str = option(
        "float16", "type of the numbers that are stored", choices=("float16", "float32"), needs=_VECTORS
    )
    batch_size: int = option(32, "texts encoded together", check=at_least(1, LARGEST_BATCH), needs=_VECTORS)
    group_pattern: str = option(
        r"^(.*),",
        "without a RUN: regular expression whose group is the document in a page's title",
        check=pattern_problem,
        heading=DATA,
        needs=_NO_RUN,
    )
    precision: str = _precision(
        AUTO,
        f"auto: bfloat16 there for {MANY:,} new texts or more, otherwise float32. ",
        Needs(lambda c: c.run, "has an effect with a RUN only"),
    )
    runner: str | None = with_needs(EngineConfig, "runner", _VECTORS)
    init_checkpoint: str | None = path_option(  # type: ignore[assignment]
        None,
        "without a RUN: pre-trained BERT, as in train; the cosine of its vectors joins the lexical features",
        heading=MODEL,
        needs=_NO_RUN,
    )
    bert_config_file: str | None = with_needs(PretrainedConfig, "bert_config_file", _BERT)
    num_attention_heads: int | None = with_needs(
        PretrainedConfig,
        "num_attention_heads",
        Needs(
            lambda c: not c.run and c.init_checkpoint and not c.bert_config_file,
            "has an effect with --init_checkpoint, without a RUN and without a BERT config only",
        ),
    )
    tokenizer: str = with_needs(PretrainedConfig, "tokenizer", _BERT)
    model_file: str | None = with_needs(PretrainedConfig, "model_file", _BERT)
    vocab_file: str | None = with_needs(PretrainedConfig, "vocab_file", _BERT)
    tokenizer_config_file: str | None = with_needs(PretrainedConfig, "tokenizer_config_file", _BERT)
    do_lower_case: bool | None = with_needs(PretrainedConfig, "do_lower_case", _BERT)
    max_seq_length: int = with_needs(PretrainedConfig, "max_seq_length", _BERT)

    @property
    def pretrained(self) -> PretrainedConfig:
        """The pre-trained BERT."""
        names = [field.name for field in dataclasses.fields(PretrainedConfig)]
        return PretrainedConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class SuggestConfig:
    """Options of ``keras_negaposi.suggest``."""

    title: Sequence[str] | None = option(
        None,
        "page of the index, or note, which means all of its pages; with several titles, suggestions follow the last "
        "one and the others are context",
        several=True,
        heading=QUERY,
    )
    text: str | None = option(None, "any text, instead of --title", heading=QUERY)
    top: int = option(10, "number of pages to suggest", check=at_least(1), heading=OUTPUT)
    rerank: int = option(
        0, "number of the best pages that --reranker scores again and sorts", check=at_least(0), heading=MODEL
    )
    reranker: str | None = path_option(
        None,
        "folder of a finished run, or a SavedModel (default: the index's run, if it has a partner, which an index "
        "leaves out). A run with a partner, as --recipe best makes it, ranks better than a cross-encoder alone",
        heading=MODEL,
        needs=Needs(lambda c: c.rerank, "has no effect without --rerank, the number of pages to sort"),
    )
    approximate: bool | None = option(
        None,
        "vectors: search the nearest approximately (extra ann), or compare all (default: approximately from 200,000 "
        "pages on)",
        kind=bool,
    )
    format: str = option(
        "table",
        "format of the answer. scrapbox, markdown: links to paste, one per document, without A's own document and "
        "those that A links to",
        choices=("table", "tsv", "json", *LINK_FORMATS),
        heading=OUTPUT,
        needs=Needs(
            lambda c: c.has_query or c.is_links,
            "has no effect without --title or --text: all pages are written to --html alone",
        ),
    )
    min_probability: float | None = option(
        None,
        "suggest only pages of at least this probability (default: 0; for links to paste the run's threshold)",
        kind=float,
        check=between(0.0, 1.01),
        heading=OUTPUT,
    )
    skip_linked: bool = option(
        False,
        "leave out pages that --negaposi names as next pages of A",
        heading=OUTPUT,
        needs=Needs(
            lambda c: c.text is None and not c.is_links,
            "has no effect with --text, or with links to paste, which always leave these pages out",
        ),
    )
    html: str | None = path_option(
        None, "file for a web page of the suggestions for --title or --text, or for all pages", heading=OUTPUT
    )
    fail_on_warning: bool = option(
        False,
        "exit with code 1 if the run did not beat its baselines, so that suggestions are of little use",
        heading=SCRIPTS,
    )
    run: str | None = path_option(None, "folder of the run that made the index (default: where it was then)")
    negaposi: str | None = path_option(
        None,
        "negaposi.json or links.json: its positive pairs are known next pages (default: the pairs of the run)",
        needs=Needs(
            lambda c: c.html or (c.text is None and (c.skip_linked or c.is_links)),
            "has no effect without --html, or --title with --skip_linked or links to paste",
        ),
    )

    @property
    def has_query(self) -> bool:
        """Whether suggestions are asked for one page or text, not for all pages."""
        return self.title is not None or self.text is not None

    @property
    def is_links(self) -> bool:
        """Whether the answer is links to paste."""
        return self.format in LINK_FORMATS

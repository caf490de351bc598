"""The pair model and its training."""

from __future__ import annotations

import dataclasses
from typing import Literal

from checkpoints_tools.common.cli import above, at_least, between, option, path_option, required_path
from checkpoints_tools.common.files import join
from checkpoints_tools.common.options import Needs, with_needs, without_effect
from keras_negaposi.config.data import ALL, BOTH, LARGEST_BATCH, SEEDS, SPLITS, DataConfig
from keras_negaposi.config.dev_evaluation import DevEvaluationConfig
from keras_negaposi.config.devices import StrategyConfig
from keras_negaposi.config.engine import EngineConfig
from keras_negaposi.config.headings import (
    DATA,
    DISTILLATION,
    HEAD_OPTIONS,
    MODEL,
    OUTPUT,
    SCRIPTS,
    SPLIT,
    TRAINING,
)
from keras_negaposi.config.heads import BI_ENCODER, HEADS, LATE_INTERACTION, SEPARATE
from keras_negaposi.config.judging import TESTED, JudgingConfig
from keras_negaposi.config.losses import BINARY, IN_BATCH
from keras_negaposi.config.model import LONGEST_INPUT, ModelFiles
from keras_negaposi.config.recipes import NONE, RECIPES

LARGEST_SIZE = 1 << 16
"""Dimensions of an embedding; no BERT is as wide."""
MOST_LAYERS = 1000
NO_PARTNER = "none"
"""Value of ``--partner_head``."""
PARTNER = "partner"
"""Folder of the run that ``--partner_head`` trains, in the run's folder."""

_CACHEABLE_HEAD = Needs(
    lambda c: c.layout == SEPARATE,
    "has no effect with --head pair, pair_means or pair_maxsim, which see A and B in one input",
)
_TWO_PROJECTIONS = Needs(
    lambda c: c.layout == SEPARATE and c.head != LATE_INTERACTION,
    "has no effect with --head pair, pair_means, pair_maxsim or maxsim, which have no two projections to share",
)
_REDUCED_HEAD = Needs(lambda c: c.head == "reduced", "has an effect with --head reduced only")
_MID_FUSION_HEAD = Needs(lambda c: c.head == "midfusion", "has an effect with --head midfusion only")
_COMBINES = Needs(lambda c: c.hybrid and c.dev_share, "has no effect with --hybrid false or --dev_share 0")
_TEACHER = Needs(lambda c: c.teacher, "has no effect without --teacher")


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """The pair model, and the options of some heads."""

    head: str = option(
        "pair",
        "the pair model. " + "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items()),
        choices=tuple(HEADS),
        heading=MODEL,
    )
    head_size: int | None = option(
        None,
        "heads with one input each: dimensions that are stored per embedding or token of B (default: depends on the "
        "head)",
        kind=int,
        check=at_least(1, LARGEST_SIZE),
        heading=HEAD_OPTIONS,
        needs=_CACHEABLE_HEAD,
    )
    tie_projections: bool = option(
        False,
        "heads with one input each: share one projection between A and B, so that only the classifier tells them "
        "apart; maxsim always does",
        heading=HEAD_OPTIONS,
        needs=_TWO_PROJECTIONS,
    )
    dimension_dropout: float = option(
        0.3,
        "head reduced: share of the dimensions that are dropped",
        check=between(0.0, 1.0),
        heading=HEAD_OPTIONS,
        needs=_REDUCED_HEAD,
    )
    inference_masks: int = option(
        0,
        "head reduced: number of fixed masks over which inference averages; 0: no mask",
        check=at_least(0, 10_000),
        heading=HEAD_OPTIONS,
        needs=_REDUCED_HEAD,
    )
    separate_layers: int | None = option(
        None,
        "head midfusion: number of layers that encode A and B separately (default: five sixths of all layers)",
        kind=int,
        check=at_least(1, MOST_LAYERS),
        heading=HEAD_OPTIONS,
        needs=_MID_FUSION_HEAD,
    )
    frozen_layers: int = option(
        0,
        "number of lower layers of the encoder that are not trained, and neither are the embeddings; with half of all "
        "layers frozen, a step takes a third less time",
        check=at_least(0, MOST_LAYERS),
        heading=TRAINING,
    )

    @property
    def layout(self) -> str:
        """Input layout of the head: `heads.JOINT` or `heads.SEPARATE`."""
        return HEADS[self.head].layout

    def size_or(self, default: int) -> int:
        """Returns ``head_size``, or ``default`` where it is not given."""
        return self.head_size or default


_NOT_IN_RECORDS = "has no effect on records"


@dataclasses.dataclass(frozen=True)
class PrepareConfig(HeadConfig, DataConfig, EngineConfig):
    """Options of ``keras_negaposi.prepare``."""

    init_checkpoint: str = required_path(
        "pre-trained BERT next to which the tokenizer's files are looked for",
        heading=MODEL,
        needs=Needs(
            lambda c: not (c.model_file and c.vocab_file and c.do_lower_case is not None),
            "has no effect where --model_file, --vocab_file and --do_lower_case are given",
        ),
    )
    seed: int = option(
        0,
        "seed of the split",
        check=between(0, SEEDS),
        heading=SPLIT,
        needs=Needs(lambda c: c.split_seed is None, "has no effect on records where --split_seed is given"),
    )
    output_dir: str = required_path("folder for the TFRecords, local or gs://", heading=OUTPUT)

    # Options of a training that leave its records as they are.
    bert_config_file: str | None = without_effect(ModelFiles, "bert_config_file", _NOT_IN_RECORDS)
    num_attention_heads: int | None = without_effect(ModelFiles, "num_attention_heads", _NOT_IN_RECORDS)
    head_size: int | None = without_effect(HeadConfig, "head_size", _NOT_IN_RECORDS)
    tie_projections: bool = without_effect(HeadConfig, "tie_projections", _NOT_IN_RECORDS)
    dimension_dropout: float = without_effect(HeadConfig, "dimension_dropout", _NOT_IN_RECORDS)
    inference_masks: int = without_effect(HeadConfig, "inference_masks", _NOT_IN_RECORDS)
    separate_layers: int | None = without_effect(HeadConfig, "separate_layers", _NOT_IN_RECORDS)
    frozen_layers: int = without_effect(HeadConfig, "frozen_layers", _NOT_IN_RECORDS)


@dataclasses.dataclass(frozen=True)
class Requirements:
    """Results that make a command fail after it has done its work."""

    require_accuracy: float = option(
        0.0, "exit with code 1 if the test accuracy is lower", check=between(0.0, 1.01), heading=SCRIPTS
    )
    fail_on_warning: bool = option(False, "exit with code 1 if there are warnings", heading=SCRIPTS)


@dataclasses.dataclass(frozen=True)
class TrainConfig(HeadConfig, DevEvaluationConfig, DataConfig, JudgingConfig, StrategyConfig, Requirements):
    """Options of ``keras_negaposi.train``, with the names and meanings of ``run_classifier.py`` where it has them."""

    recipe: str = option(
        NONE,
        "settings that fit the BERT and the data, which every flag overrides. quick: minutes; best: about an hour; "
        "original: as run_classifier.py; none: the flags' own defaults (default with your own data: quick, unless a "
        "flag is given that a recipe would choose, such as --learning_rate or --max_seq_length)",
        choices=RECIPES,
        heading=TRAINING,
    )
    split: str = option(
        "random",
        "random: split by pair; grouped: no document is in both train and test; both: one run with each split",
        choices=(*SPLITS, BOTH),
        heading=SPLIT,
    )
    seeds: int = option(
        1,
        "number of runs, on the same split, with seeds that count up from --seed",
        check=at_least(1, 1000),
        needs=TESTED,
    )
    require_accuracy: float = with_needs(Requirements, "require_accuracy", TESTED)
    fail_on_warning: bool = with_needs(Requirements, "fail_on_warning", TESTED)
    records: str | None = path_option(
        None,
        "folder of TFRecords that `prepare` wrote; if it is empty, they are written there (default: in the run's "
        "folder)",
        heading=DATA,
    )
    train_batch_size: int = option(
        32, "pairs per training step, over all devices", check=at_least(1, LARGEST_BATCH), heading=TRAINING
    )
    accumulate: int = option(
        1,
        "parts in which the pairs of a step are computed, one after the other, with the same result but less memory",
        check=at_least(1, LARGEST_BATCH),
        heading=TRAINING,
        needs=Needs(
            lambda c: c.loss == BINARY, "has an effect with --loss binary only; the others compare all pairs of a step"
        ),
    )
    length_buckets: int | None = option(
        None,
        "number of lengths to which inputs are padded, for batches of pairs of similar length; 1: pairs of any length "
        "in a batch (default: 4; on a TPU 1, so that shapes never change)",
        kind=int,
        check=at_least(1, LONGEST_INPUT),
    )
    constant_tokens: bool = option(
        False,
        "give all batches about the same number of tokens, padding included, instead of the same number of pairs; "
        "--train_batch_size is then the mean number of pairs",
        needs=Needs(
            lambda c: c.has_buckets and c.loss == BINARY,
            "has no effect with one length bucket (--length_buckets 1, or a TPU), or with --loss contrastive or both",
        ),
    )
    eval_batch_size: int = option(32, "pairs per evaluation step", check=at_least(1, LARGEST_BATCH))
    learning_rate: float = option(2e-5, "peak learning rate", check=above(0.0, 100.0), heading=TRAINING)
    head_learning_rate: float | None = option(
        None,
        "peak learning rate of the variables that the checkpoint lacks (default: --learning_rate; for heads with one "
        "input each 1e-3, and a tenth of that for their projections)",
        kind=float,
        check=above(0.0, 100.0),
    )
    num_train_epochs: float = option(
        5.0,
        "passes over the training pairs; steps = int(pairs / batch size * passes); 0: the encoder stays as it is, and "
        "only the head starts from data",
        check=at_least(0.0, 1e6),
        heading=TRAINING,
    )
    max_steps: int | None = option(
        None, "train for at most this many steps (default: no limit)", kind=int, check=at_least(1), heading=TRAINING
    )
    warmup_proportion: float = option(
        0.1,
        "share of the steps in which the learning rate rises linearly from 0",
        check=between(0.0, 1.0),
        heading=TRAINING,
    )
    adam_bias_correction: bool = option(
        False,
        "correct the bias of Adam's moments, as AdamW does; run_classifier.py does not, so its first hundred steps are "
        "three to six times as long as the learning rate says",
    )
    precision: str = option(
        "auto",
        "arithmetic of the training; auto: bfloat16 where the hardware supports it, otherwise float32",
        choices=("auto", "float32", "bfloat16"),
        heading=TRAINING,
    )
    save_checkpoints_steps: int = option(200, "steps between two checkpoints", check=at_least(1))
    log_every_steps: int = option(25, "steps between two progress lines and TensorBoard points", check=at_least(1))
    teacher: str | None = path_option(
        None,
        "folder of a finished run; its probabilities are training targets in addition to the labels",
        heading=DISTILLATION,
        needs=Needs(lambda c: c.loss != IN_BATCH, "has no effect with --loss contrastive, which uses no labels"),
    )
    teacher_weight: float = option(
        0.5,
        "weight of the teacher's probabilities in the target; the label has the rest",
        check=between(0, 1.01),
        heading=DISTILLATION,
        needs=_TEACHER,
    )
    distill_pairs: int = option(
        0,
        "number of additional training pairs of similar pages, without labels, which only the teacher scores",
        check=at_least(0),
        old="augment",
        heading=DISTILLATION,
        needs=_TEACHER,
    )
    hybrid: bool = option(
        True,
        "combine the model with lexical features (shared n-grams, style, lengths), where there is a dev part "
        "(--dev_share) to fit the combination on, or a bi-encoder that is not fine-tuned (--num_train_epochs 0)",
        needs=Needs(
            lambda c: c.dev_share or (c.head == BI_ENCODER and c.reference_pages and not c.num_train_epochs),
            "has no effect without a dev part (--dev_share 0) if the model is fine-tuned",
        ),
    )
    reference_pages: int | Literal["all"] = option(
        10_000,
        "head vector: number of pages with which both texts of a pair are compared, evenly spaced in the corpus, or "
        "all: being close to a text that is close to many pages means less. Encoding them takes a minute or two at the "
        "end of the training, which an index of the run then saves; 0: no comparison",
        kind=int,
        words=(ALL,),
        check=at_least(0),
        needs=Needs(
            lambda c: c.head == BI_ENCODER and (c.dev_share or not c.num_train_epochs),
            f"has an effect only with --head {BI_ENCODER}, and not with --dev_share 0 if it is fine-tuned",
        ),
    )
    ensemble: str | None = path_option(
        None,
        "folder of a finished run on the same split; its probabilities join the hybrid, and its model becomes a part "
        "of the exported one",
        needs=_COMBINES,
    )
    partner_head: str = option(
        NO_PARTNER,
        "first train another run with this head, in the folder partner/ of this run, which then joins the hybrid like "
        "that of --ensemble; --recipe best chooses its --max_seq_length and learning rate, and may choose this option",
        choices=(NO_PARTNER, *HEADS),
        heading=TRAINING,
        needs=_COMBINES,
    )
    output_dir: str = required_path("folder of the run (default: runs/ and the time)", heading=OUTPUT)
    resume: bool = option(False, "continue the run in --output_dir; the other flags may be left out", heading=OUTPUT)

    @property
    def partner(self) -> str | None:
        """Folder of the run that joins the hybrid, if one does."""
        return join(self.output_dir, PARTNER) if self.trains_partner else self.ensemble

    @property
    def trains_partner(self) -> bool:
        """Whether the run trains its partner itself."""
        return self.partner_head != NO_PARTNER

    @property
    def has_buckets(self) -> bool:
        """Whether batches are padded to more than one length, as far as the options tell."""
        if self.length_buckets is None:
            return not self.tpu and self.strategy != "tpu"
        return self.length_buckets > 1

    def conflict(self) -> str | None:
        """Returns what is wrong with two options together, and the fix; ``None`` if nothing is."""
        if self.seed + self.seeds > SEEDS:
            return f"--seed {self.seed}: --seeds {self.seeds} would exceed {SEEDS - 1}; give a smaller --seed"
        if self.ensemble and self.trains_partner:
            return f"--ensemble and --partner_head {self.partner_head}: a run has one partner; give one of them"
        if self.split == BOTH and not self.test_share:
            return "--split both: compares test parts, and --test_share 0 leaves none; give --split random or grouped"
        return None

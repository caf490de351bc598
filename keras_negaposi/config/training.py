"""The pair model and its training."""

from __future__ import annotations

import dataclasses

from checkpoints_tools.common.cli import above, at_least, between, option, path_option, required_path
from keras_negaposi.config.data import BOTH, LARGEST_BATCH, LONGEST_INPUT, SEEDS, SPLITS, DataConfig
from keras_negaposi.config.engine import EngineConfig
from keras_negaposi.config.heads import HEADS

LARGEST_SIZE = 1 << 16
"""Numbers of a vector: no BERT is as wide."""
MOST_LAYERS = 1000
STRATEGIES = ("auto", "default", "mirrored", "multiworker", "tpu")


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """The pair model, and what some of them can be told."""

    head: str = option(
        "pair",
        "the pair model. " + "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items()),
        choices=tuple(HEADS),
    )
    head_size: int | None = option(
        None,
        "numbers a vector or token that are kept of B (default: the head's own)",
        kind=int,
        check=at_least(1, LARGEST_SIZE),
    )
    tie_projections: bool = option(False, "one projection for A and B: then only the classifier tells their roles")
    dimension_dropout: float = option(0.3, "reduced: share of the dimensions that are dropped", check=between(0.0, 1.0))
    inference_masks: int = option(
        0, "reduced: fixed masks that are averaged over in use; 0: none", check=at_least(0, 10_000)
    )
    separate_layers: int | None = option(
        None,
        "midfusion: layers that see A and B apart (default: five sixths)",
        kind=int,
        check=at_least(1, MOST_LAYERS),
    )

    frozen_layers: int = option(
        0,
        "the encoder's lowest layers that keep the checkpoint's values, and the embeddings with them: half of all "
        "layers make a step a third faster",
        check=at_least(0, MOST_LAYERS),
    )

    @property
    def layout(self) -> str:
        """Input layout of the head: `heads.JOINT` or `heads.SEPARATE`."""
        return HEADS[self.head].layout

    def size_or(self, default: int) -> int:
        """``head_size``, or the head's own."""
        return self.head_size or default


@dataclasses.dataclass(frozen=True)
class PrepareConfig(HeadConfig, DataConfig, EngineConfig):
    """``keras_negaposi.prepare``."""

    output_dir: str = required_path("folder for the TFRecords, local or gs://")


@dataclasses.dataclass(frozen=True)
class Requirements:
    """What makes a command fail that has otherwise done its work: for scripts."""

    require_accuracy: float = option(0.0, "exit code 1 if the test accuracy is below", check=between(0.0, 1.01))
    fail_on_warning: bool = option(False, "exit code 1 if there are warnings")


@dataclasses.dataclass(frozen=True)
class TpuConfig:
    """Which TPU."""

    tpu: str | None = option(None, "local: in this machine; or the TPU's name, or its grpc:// address")
    tpu_zone: str | None = option(None, "where a TPU given by its name is")
    gcp_project: str | None = option(None, "whose a TPU given by its name is")


@dataclasses.dataclass(frozen=True)
class StrategyConfig(TpuConfig):
    """What it is trained on."""

    strategy: str = option(
        "auto",
        "what it is trained on. default: one device; mirrored: all GPUs of this machine; multiworker: the machines "
        "that TF_CONFIG names; tpu: --tpu; auto: what is there",
        choices=STRATEGIES,
    )
    steps_per_execution: int | None = option(
        None, "steps between two looks at the host (default: 1; on a TPU 25)", kind=int, check=at_least(1)
    )
    jit_compile: bool = option(False, "compile a step by XLA; a TPU always does")


@dataclasses.dataclass(frozen=True)
class TrainConfig(HeadConfig, DataConfig, StrategyConfig, Requirements):
    """``keras_negaposi.train``; names and meanings of ``run_classifier.py`` where it has them."""

    split: str = option(
        "random",
        "random: by pair; grouped: no document in both train and test; both: one run each",
        choices=(*SPLITS, BOTH),
    )
    seeds: int = option(1, "runs, each with the next --seed on the same split", check=at_least(1, 1000))
    records: str | None = path_option(
        None, "folder of TFRecords made by prepare, or to make (default: in the run's folder)"
    )
    train_batch_size: int = option(32, "pairs a step, over all devices", check=at_least(1, LARGEST_BATCH))
    length_buckets: int | None = option(
        None,
        "lengths that inputs are padded to, for steps of similar lengths; 1: steps of pairs as they come (default: 4; "
        "on a TPU 1, for shapes that never change)",
        kind=int,
        check=at_least(1, LONGEST_INPUT),
    )
    constant_tokens: bool = option(
        False,
        "steps of as many tokens each, padding included: of short pairs they have more, of long ones fewer than "
        "--train_batch_size, which is their mean",
    )
    eval_batch_size: int = option(32, "pairs a step in evaluation", check=at_least(1, LARGEST_BATCH))
    learning_rate: float = option(2e-5, "peak learning rate", check=above(0.0, 100.0))
    head_learning_rate: float | None = option(
        None,
        "peak learning rate of what the checkpoint does not have (default: --learning_rate; 1e-3 where A and B are "
        "encoded apart, a tenth of it for their projections)",
        kind=float,
        check=above(0.0, 100.0),
    )
    num_train_epochs: float = option(
        5.0, "passes over the training pairs; steps = int(pairs / batch * passes)", check=above(0.0, 1e6)
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
    teacher: str | None = path_option(None, "finished run whose probabilities are aimed at beside the labels")
    teacher_weight: float = option(
        0.5, "of the teacher's probabilities; the rest is the label's", check=between(0, 1.01)
    )
    distill_pairs: int = option(
        0,
        "pairs without a label to train on too, drawn of like pages for the teacher",
        check=at_least(0),
        old="augment",
    )
    embedding_cache: str | None = path_option(
        None, "file that keeps the frozen encoder's vectors (default: in the run's folder)", old="vectors"
    )
    rank_queries: int = option(50, "test texts A for which the true B is ranked among others", check=at_least(0))
    rank_candidates: int = option(20, "pages a ranking, the true B among them", check=at_least(2))
    output_dir: str = required_path("the run's folder (default: runs/ and the time)")
    resume: bool = option(False, "go on with the run in --output_dir; other flags may then be left out")

    def conflict(self) -> str | None:
        """What is wrong with two options together, and the fix."""
        if self.seed + self.seeds > SEEDS:
            return f"--seed {self.seed}: --seeds {self.seeds} would count beyond {SEEDS - 1}; give a smaller one"
        return None

"""Several runs from one command: several seeds on one split, or both kinds of split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, join, make_folder, write_json
from keras_negaposi.config import BOTH, SPLITS, TrainConfig
from keras_negaposi.config.saved import as_saved
from keras_negaposi.evaluation.baseline_comparison import COSINE
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.reporting.evaluate_run import evaluate_finished_run
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.training.multi_worker import is_chief
from keras_negaposi.training.run import run
from keras_negaposi.training.run_inputs import read_run_inputs
from keras_negaposi.training.strategies import choose_strategy

SUMMARY = "summary.json"
SEED_LIMIT = 2**32
"""NumPy accepts only smaller seeds."""


class SplitSummary(TypedDict):
    """Figures over all runs with one kind of split, as written to ``summary.json``."""

    runs: list[str]
    accuracy: list[float]
    mean: float
    standard_deviation: float | None
    interval_of_first: dict[str, Any]
    tfidf_cosine: float | None
    documents_seen: float
    hybrid: bool


def are_several(config: TrainConfig) -> bool:
    """Returns whether the options ask for more than one run."""
    return config.split == BOTH or config.seeds > 1


def variants(config: TrainConfig) -> dict[str, TrainConfig]:
    """Returns the options of each run by folder name, such as ``random-seed0``; all seeds share the first one's split.

    Raises:
        InputError: the last seed would be too large.
    """
    last = config.seed + config.seeds - 1
    if last >= SEED_LIMIT:
        raise InputError(
            f"--seeds {config.seeds}: with --seed {config.seed} the last seed would be {last}; give a lower --seed"
        )
    splits = SPLITS if config.split == BOTH else (config.split,)
    seeds = range(config.seed, config.seed + config.seeds)
    return {
        f"{split}-seed{seed}": dataclasses.replace(
            config,
            split=split,
            seed=seed,
            split_seed=config.seed_of_split,
            seeds=1,
            embedding_cache=config.embedding_cache or join(config.output_dir, "vectors.npz"),
            output_dir=join(config.output_dir, f"{split}-seed{seed}"),
        )
        for split in splits
        for seed in seeds
    }


def run_several(config: TrainConfig, command: str = "") -> list[RunEvaluation | None]:
    """Runs all variants, or the rest of them if some are finished, and summarizes them.

    Like `training.run.run`, it returns the evaluations only in the chief, and ``[None]`` in the other workers.

    Args:
        config: with ``split`` ``both``, or with several ``seeds``.
        command: the command line, saved with the runs.
    """
    configs = variants(config)
    chief = is_chief(choose_strategy(config))
    # 1. Check the inputs of each split, then write the common folder.
    if chief:
        _begin_folder(config, configs)
    # 2. Run, resume or evaluate each variant.
    evaluations: dict[str, RunEvaluation | None] = {}
    for name, variant in configs.items():
        folder = RunFolder(variant.output_dir)
        say(f"\n== {name}")
        if not exists(folder.report):
            resume = exists(folder.config)
            evaluations[name] = run(dataclasses.replace(variant, resume=resume), command)
        elif chief:
            evaluations[name] = evaluate_finished_run(folder.path)
    if not chief:
        return [None]
    # 3. Summarize the runs.
    summary = summarize([evaluation for evaluation in evaluations.values() if evaluation])
    write_figures(join(config.output_dir, SUMMARY), summary)
    say(f"\n{describe(summary)}")
    return list(evaluations.values())


def _begin_folder(config: TrainConfig, configs: Mapping[str, TrainConfig]) -> None:
    """Writes the common folder; for a new one, checks the inputs of each split first."""
    folder = RunFolder(config.output_dir)
    if not exists(folder.config):
        for variant in {variant.split: variant for variant in configs.values()}.values():
            read_run_inputs(variant)
    make_folder(folder.path)
    write_json(folder.config, {"config": as_saved(config)})


def summarize(evaluations: Sequence[RunEvaluation]) -> dict[str, SplitSummary]:
    """Returns, by split, the accuracies, their mean and standard deviation (of two runs or more), and the cosine's."""
    summary: dict[str, SplitSummary] = {}
    for split in dict.fromkeys(each.assessment.split for each in evaluations):
        runs = [each for each in evaluations if each.assessment.split == split]
        cosine = runs[0].assessment.baselines.get(COSINE)
        accuracies = [each.evaluation.eval_accuracy for each in runs]
        summary[split] = {
            "runs": [each.run.folder.path for each in runs],
            "accuracy": accuracies,
            "mean": float(np.mean(accuracies)),
            "standard_deviation": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
            "interval_of_first": dataclasses.asdict(runs[0].assessment.figures["accuracy"]),
            "tfidf_cosine": cosine.accuracy.value if cosine else None,
            "documents_seen": runs[0].assessment.seen["document of A or B"].share,
            "hybrid": runs[0].assessment.contributions is not None,
        }
    return summary


def describe(summary: Mapping[str, SplitSummary]) -> str:
    """Returns one line for each split, and what a difference between the splits means."""
    lines = []
    for split, figures in summary.items():
        deviation = figures["standard_deviation"]
        spread = f", standard deviation {deviation:.2%}" if deviation is not None else ""
        lines.append(f"{split:<8} {figures['mean']:.2%} over {len(figures['accuracy'])} runs{spread}")
    if len(summary) > 1:
        random, grouped = (summary[split] for split in SPLITS)
        lines.append(
            f"On unseen documents the accuracy is {grouped['mean'] - random['mean']:+.2%} compared with the random "
            f"split, where {random['documents_seen']:.1%} of the test pairs share a document with training. The "
            "difference comes from having seen the documents, or from chance if it lies within the intervals."
        )
        if random["hybrid"] != grouped["hybrid"]:
            only = "random" if random["hybrid"] else "grouped"
            lines.append(
                f"Only the runs with the {only} split are hybrid, which is another difference: the other split makes "
                "no dev part (--dev_share auto). Give --dev_share 0.1 or 0 to compare like with like."
            )
    return "\n".join(lines)

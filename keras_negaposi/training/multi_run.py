"""Several runs from one command: every seed on one split, and either split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, join, make_folder, write_json
from keras_negaposi.config import BOTH, SPLITS, TrainConfig
from keras_negaposi.config.saved import absolute
from keras_negaposi.evaluation.evaluate_run import evaluate_finished_run
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.evaluation.html_report import RunEvaluation
from keras_negaposi.evaluation.verdict import COSINE
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.training.run import read_run_inputs, run
from keras_negaposi.training.strategies import choose_strategy, is_chief

SUMMARY = "summary.json"
SEED_LIMIT = 2**32
"""NumPy's seeds are below it."""


def are_several(config: TrainConfig) -> bool:
    """Whether a configuration asks for more than one run."""
    return config.split == BOTH or config.seeds > 1


def variants(config: TrainConfig) -> dict[str, TrainConfig]:
    """The single runs by folder name: ``random-seed0``, ``grouped-seed1``. All seeds share the split of the first.

    Raises:
        InputError: a seed would be too large.
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
    """Runs every variant, or resumes those that are not finished; then reports what they have in common.

    As `training.run` it gives nothing in all of several workers but the first.

    Args:
        config: with ``split`` ``both`` or several ``seeds``.
        command: the command line, kept with the runs.
    """
    runs = variants(config)
    chief = is_chief(choose_strategy(config))
    if chief:
        if not exists(RunFolder(config.output_dir).config):  # what is wrong shows before anything is written
            for variant in {variant.split: variant for variant in runs.values()}.values():
                read_run_inputs(variant)
        make_folder(config.output_dir)
        saved = absolute(dataclasses.asdict(config)) | {"resume": False}
        write_json(RunFolder(config.output_dir).config, {"config": saved})
    judged = {}
    for name, variant in runs.items():
        folder = RunFolder(variant.output_dir)
        say(f"\n== {name}")
        finished = exists(folder.report)
        started = exists(folder.config)
        if not finished:
            judged[name] = run(dataclasses.replace(variant, resume=started), command)
        elif chief:
            judged[name] = evaluate_finished_run(folder.path)
    if not chief:
        return [None]
    summary = summarize(list(judged.values()))
    write_figures(join(config.output_dir, SUMMARY), summary)
    say(f"\n{tell(summary)}")
    return list(judged.values())


def summarize(judged: Sequence[RunEvaluation]) -> dict[str, dict[str, object]]:
    """By split: accuracy of every run, mean and (with two runs or more) standard deviation, beside the cosine's."""
    summary = {}
    for split in dict.fromkeys(found.assessment.split for found in judged):
        runs = [found for found in judged if found.assessment.split == split]
        cosine = runs[0].assessment.baselines.get(COSINE)
        accuracies = [found.evaluation.eval_accuracy for found in runs]
        summary[split] = {
            "runs": [found.run.folder.path for found in runs],
            "accuracy": accuracies,
            "mean": float(np.mean(accuracies)),
            "standard_deviation": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
            "interval_of_first": dataclasses.asdict(runs[0].assessment.figures["accuracy"]),
            "tfidf_cosine": cosine.accuracy.value if cosine else None,
            "documents_seen": runs[0].assessment.seen["document of A or B"].share,
        }
    return summary


def tell(summary: dict[str, dict[str, object]]) -> str:
    """A line a split, and what a difference between the splits means."""
    lines = []
    for split, found in summary.items():
        deviation = found["standard_deviation"]
        spread = f", standard deviation {deviation:.2%}" if deviation is not None else ""
        lines.append(f"{split:<8} {found['mean']:.2%} over {len(found['accuracy'])} runs{spread}")
    if len(summary) > 1:
        random, grouped = (summary[split] for split in SPLITS)
        lines.append(
            f"On documents never seen it is {grouped['mean'] - random['mean']:+.2%} against the random split, where "
            f"{random['documents_seen']:.1%} of the test pairs share a document with training: that much of the random "
            "split's figure is owed to having seen the documents (or to chance, within the intervals)."
        )
    return "\n".join(lines)

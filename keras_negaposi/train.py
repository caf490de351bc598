"""``python -m keras_negaposi.train``: trains, evaluates and exports a pair classifier.

Without any data or model flag it trains on the small sample that comes with the package.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING

from checkpoints_tools.common.cli import make_config, make_parser, run_command, say
from checkpoints_tools.common.errors import RUN_AGAIN, Stopped
from keras_negaposi.config import PAIR_SOURCES, REQUIRED, TrainConfig, check_required
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.heads import is_cacheable
from keras_negaposi.config.saved import absolute
from keras_negaposi.runtime.resume import check_same_files, check_same_options, check_same_table, how_to_resume
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_config
from keras_negaposi.training.complete_config import complete_config

if TYPE_CHECKING:
    from keras_negaposi.evaluation.credibility import FinishedRun

TOKENIZER_FLAGS = ("tokenizer", "model_file", "vocab_file", "tokenizer_config_file")


def configure(arguments: argparse.Namespace) -> TrainConfig:
    """Returns the complete configuration: of the flags and the files next to the checkpoint, or of the resumed run.

    Raises:
        InputError: a flag is missing or cannot be used.
    """
    given = given_options(TrainConfig, arguments)
    if given.get("resume"):
        check_required(given, ("output_dir",))
        output_dir = given["output_dir"]
        saved = saved_config(output_dir)
        check_same_options(saved, given, output_dir)
        config = make_config(TrainConfig, saved | absolute(given) | {"output_dir": output_dir})
        check_same_files(RunFolder(output_dir), config)
        check_same_table(RunFolder(output_dir), config, "pairs" in given)
        return config
    folder = {"output_dir": time.strftime("runs/%Y%m%d-%H%M%S")}
    if is_sample(given):
        return complete_config(folder | sample_options() | given, given, has_recipe=False)
    return complete_config(folder | given, given)


def is_sample(given: dict[str, object]) -> bool:
    """Returns whether neither data nor model is given, so that the sample is used."""
    return not given.keys() & {"bert_config_file", *TOKENIZER_FLAGS, *PAIR_SOURCES, *REQUIRED}


def sample_options() -> dict[str, object]:
    """Returns the options of the sample: its files, a grouped split, and settings for a tiny BERT."""
    from keras_negaposi.sample import FOLDER

    return {
        "honbun": str(FOLDER / "honbun_data.json"),
        "negaposi": str(FOLDER / "negaposi.json"),
        "init_checkpoint": str(FOLDER),
        "split": "grouped",
        "max_seq_length": 64,
        "learning_rate": 2e-4,
        "num_train_epochs": 5.0,
        "precision": "float32",
    }


def train(arguments: argparse.Namespace) -> int:
    """Trains, prints where the results are, and returns the exit code that was required of them."""
    config = configure(arguments)
    from keras_negaposi.reporting import evaluate_run
    from keras_negaposi.tokenizers.opening import describe
    from keras_negaposi.training import multi_run, run

    say(describe(config))
    command = shlex.join(["python", "-m", "keras_negaposi.train", *sys.argv[1:]])
    try:
        several = multi_run.are_several(config)
        results = multi_run.run_several(config, command) if several else [run.run(config, command)]
    except KeyboardInterrupt:
        raise Stopped(f"stopped; {how_to_resume(config.output_dir)}", signal.SIGINT) from None
    except Stopped as stopped:
        raise Stopped(f"{stopped}; {how_to_resume(config.output_dir)}", stopped.signal) from None
    done = [result for result in results if result]
    if not done:  # there is no test part, or this is one of several workers, of which only the first reports
        return 0
    say(next_steps(done[0].run))
    accuracy = min(result.evaluation.eval_accuracy for result in done)
    warnings = [warning for result in done for warning in result.warnings]
    return evaluate_run.exit_code(accuracy, warnings, config.require_accuracy, config.fail_on_warning)


def explain_error(_: Exception, line: str) -> str:
    """Adds ``--resume`` to a message that asks for the same command again."""
    return f"{line}, with --resume if its folder has a config.json" if line.endswith(RUN_AGAIN) else line


def next_steps(run: FinishedRun) -> str:
    """Returns lines that name the results and the next commands."""
    from keras_negaposi.evaluation.example import predict_command

    folder = run.folder
    return (
        f"\nreport       {folder.report}\n"
        f"TensorBoard  tensorboard --logdir {shlex.quote(folder.tensorboard)}\n"
        f"SavedModel   {folder.saved_model}\n"
        f"next         {predict_command(run)}{further_step(run)}"
    )


def further_step(run: FinishedRun) -> str:
    """Returns a last line: after the sample, the user's own data; after those, the pages to link."""
    if run.config.honbun == sample_options()["honbun"]:
        return (
            "\nyour data    python -m keras_negaposi.train --honbun honbun_data.json --negaposi negaposi.json "
            "--init_checkpoint FOLDER_OF_YOUR_BERT"
        )
    if is_cacheable(run.config.head):
        index = f"python -m keras_negaposi.index {shlex.quote(run.folder.path)} --output pages"
        return f"\nlinks        {index} && python -m keras_negaposi.suggest pages --html links.html"
    return ""


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.train", __doc__, "[--FLAG VALUE ...]")
    add_options(parser, TrainConfig)
    return run_command(parser, train, argv, explain_error)


if __name__ == "__main__":
    sys.exit(main())

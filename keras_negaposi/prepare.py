"""``python -m keras_negaposi.prepare``: writes the TFRecords that ``train --records`` reads."""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import make_config, make_parser, run_command, say
from keras_negaposi.config import PrepareConfig, check_complete, check_pairs_given, complete_model_files
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.saved import absolute


def prepare(arguments: argparse.Namespace) -> None:
    """Completes the configuration and writes the records."""
    given = given_options(PrepareConfig, arguments)
    make_config(PrepareConfig, given, given)  # rejects --init_checkpoint where no file is looked for next to it
    values = complete_model_files(given)
    check_pairs_given(values)
    check_complete(values, ("output_dir",))
    if given.get("runner"):
        values = absolute(values)  # its workers may be in another folder
    config = make_config(PrepareConfig, values, given.keys() - {"init_checkpoint"})
    from keras_negaposi.input_pipeline import tfrecords
    from keras_negaposi.input_pipeline.prepared_data import read_inputs
    from keras_negaposi.input_pipeline.shard_writer import EXCHANGED
    from keras_negaposi.runtime.beam import engine_of
    from keras_negaposi.runtime.executors import in_threads
    from keras_negaposi.tokenizers.opening import describe, open_tokenizer

    tfrecords.check_folder(config.output_dir)
    say(describe(config))
    tokenizer = open_tokenizer(config)
    engine = engine_of(config, config.output_dir, in_threads, EXCHANGED)
    tfrecords.prepare(read_inputs(config, tokenizer, config.layout), config.output_dir, engine)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.prepare", __doc__, "[--FLAG VALUE ...]")
    add_options(parser, PrepareConfig)
    return run_command(parser, prepare, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m keras_negaposi.doctor``: checks, before a run begins, whether it would work here.

Compares the installed packages with those required, lists the devices, and writes to every folder given, local or
gs://. With --tpu it connects to the TPU, whose machine has to read the gs:// folders too.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import (
    EXIT_BAD_INPUT,
    a_path,
    make_config,
    make_parser,
    run_command,
    say,
)
from keras_negaposi.config.devices import TpuConfig
from keras_negaposi.config.given import add_options, given_options


def doctor(arguments: argparse.Namespace) -> int:
    """Prints one line per finding; returns exit code 2 if one of them is a problem."""
    given = given_options(TpuConfig, arguments)
    config = make_config(TpuConfig, given, given)
    from keras_negaposi.training.preflight import examine

    problems = 0
    for finding in examine(arguments.locations, config):
        problems += finding.problem
        say(f"{'fix' if finding.problem else 'ok':5}{finding.line}")
    say(f"{problems} {'problem' if problems == 1 else 'problems'} found" if problems else "no problems found")
    return EXIT_BAD_INPUT if problems else 0


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.doctor", __doc__, "[FOLDER ...] [--FLAG VALUE ...]")
    parser.add_argument(
        "locations",
        metavar="FOLDER",
        nargs="*",
        type=a_path,
        default=["."],
        help="folders that a run is to write to, local or gs:// (default: .)",
    )
    add_options(parser, TpuConfig)
    return run_command(parser, doctor, argv)


if __name__ == "__main__":
    sys.exit(main())

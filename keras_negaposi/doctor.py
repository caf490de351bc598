"""``python -m keras_negaposi.doctor``: whether a run would work here, before it is begun.

Compares the packages with what is needed, lists the devices, and tries every folder given, local or gs://. With --tpu
it connects to the TPU, whose machine has to read the gs:// folders too.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import (
    EXIT_BAD_INPUT,
    a_path,
    add_flags,
    given_flags,
    make_config,
    make_parser,
    run_command,
    say,
)
from keras_negaposi.config.training import TpuConfig


def doctor(arguments: argparse.Namespace) -> int:
    """Prints a line a finding; gives 2 if one has to be mended."""
    config = make_config(TpuConfig, given_flags(TpuConfig, arguments))
    from keras_negaposi.training.preflight import examine

    problems = 0
    for finding in examine(arguments.locations, config):
        problems += finding.problem
        say(f"{'mend' if finding.problem else 'ok':5}{finding.line}")
    say(f"{problems} to mend" if problems else "nothing to mend")
    return EXIT_BAD_INPUT if problems else 0


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.doctor", __doc__)
    parser.add_argument(
        "locations",
        nargs="*",
        type=a_path,
        default=["."],
        help="folders that a run is to write to, local or gs:// (default: .)",
    )
    add_flags(parser, TpuConfig)
    return run_command(parser, doctor, argv)


if __name__ == "__main__":
    sys.exit(main())

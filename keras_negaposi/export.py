"""``python -m keras_negaposi.export``: writes a finished run as a folder that another tool opens.

Runs, SavedModels and checkpoints of others can execute code and read and write your files. Look before you use one:
saved_model_cli show --dir FOLDER --all, or python -m checkpoints_tools inspect PATH.
"""

from __future__ import annotations

import argparse
import sys

from checkpoints_tools.common.cli import a_path, make_config, make_parser, run_command, say
from keras_negaposi.config import ExportConfig, check_required
from keras_negaposi.config.given import add_options, given_options


def export(arguments: argparse.Namespace) -> None:
    """Exports the run and says what was left out."""
    given = given_options(ExportConfig, arguments)
    check_required(given, ("output",))
    config = make_config(ExportConfig, given, given)
    from keras_negaposi.exporting.export_run import export_run

    say("\n".join(export_run(arguments.run, config.to, config.output)))


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.export", __doc__, "RUN --output FOLDER [--FLAG VALUE ...]")
    parser.add_argument("run", metavar="RUN", type=a_path, help="folder of a finished run")
    add_options(parser, ExportConfig)
    return run_command(parser, export, argv)


if __name__ == "__main__":
    sys.exit(main())

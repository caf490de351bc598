"""The headings under which ``--help`` lists the flags: what a newcomer needs comes first."""

from __future__ import annotations

from checkpoints_tools.common.options import ADVANCED, Heading

QUERY = Heading(0, "query")
DATA = Heading(1, "data")
MODEL = Heading(2, "model")
TRAINING = Heading(3, "training")
OUTPUT = Heading(4, "output")
SPLIT = Heading(5, "train/test split")
HEAD_OPTIONS = Heading(6, "options of some heads")
DISTILLATION = Heading(7, "distillation from another run")
SCRIPTS = Heading(8, "exit code, for scripts")
HARDWARE = Heading(9, "devices and workers")
ACCESS = Heading(10, "who may ask")

__all__ = [
    "ACCESS",
    "ADVANCED",
    "DATA",
    "DISTILLATION",
    "HARDWARE",
    "HEAD_OPTIONS",
    "MODEL",
    "OUTPUT",
    "QUERY",
    "SCRIPTS",
    "SPLIT",
    "TRAINING",
]

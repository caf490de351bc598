"""The files in a run's folder. This module owns their names; every other module asks `RunFolder` for a path."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

from checkpoints_tools.common.files import join, sweep
from keras_negaposi.config.saved import CONFIG_FILE, CONVERTED, COPIES
from keras_negaposi.config.tokenizer_files import KINDS, TOKENIZER_CONFIG
from keras_negaposi.config.training import PARTNER


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths within a run's folder. The files need not exist."""

    path: str

    # What the run was started with

    @property
    def config(self) -> str:
        """Options, environment and fingerprints of the inputs (`saved_run.Saved`)."""
        return join(self.path, CONFIG_FILE)

    @property
    def bert_config(self) -> str:
        """Copy of the BERT's configuration."""
        return join(self.path, COPIES["bert_config_file"])

    @property
    def tokenizer_config(self) -> str:
        """Options of the tokenizer, by Hugging Face's names; SentencePiece needs none."""
        return join(self.path, TOKENIZER_CONFIG)

    @property
    def honbun(self) -> str:
        """The texts of a run on a table, or on pairs in memory."""
        return join(self.path, CONVERTED["honbun"])

    @property
    def negaposi(self) -> str:
        """The labelled pairs of such a run."""
        return join(self.path, CONVERTED["negaposi"])

    @property
    def split(self) -> str:
        """Pairs of the parts train, dev and test."""
        return join(self.path, "split.json")

    @property
    def records(self) -> str:
        """Folder of the TFRecords, unless ``--records`` names another one."""
        return join(self.path, "records")

    @property
    def teacher(self) -> str:
        """Probabilities that the teacher predicted, for distillation."""
        return join(self.path, "teacher.txt")

    @property
    def partner(self) -> str:
        """Folder of the run that ``--partner_head`` trains."""
        return join(self.path, PARTNER)

    # What training writes

    @property
    def checkpoints(self) -> str:
        """Folder of the training checkpoints, from which a run is resumed."""
        return join(self.path, "checkpoints")

    @property
    def history(self) -> str:
        """Loss, accuracy and speed by step."""
        return join(self.path, "history.json")

    @property
    def dev_history(self) -> str:
        """Evaluations of the dev part by step, and the step whose weights were kept."""
        return join(self.path, "dev_history.json")

    @property
    def tensorboard(self) -> str:
        """Folder of the TensorBoard logs."""
        return join(self.path, "tensorboard")

    # The model

    @property
    def saved_model(self) -> str:
        """Folder of the SavedModel."""
        return join(self.path, "saved_model")

    @property
    def weights(self) -> str:
        """The SavedModel's weights."""
        return join(self.saved_model, "variables", "variables.data-00000-of-00001")

    @property
    def int8(self) -> str:
        """Folder of the models that ``--precision int8`` writes."""
        return join(self.path, "int8")

    @property
    def reference_pages(self) -> str:
        """Keys of the texts whose vectors the SavedModel contains, of a bi-encoder with densities."""
        return join(self.path, "reference_pages.json")

    @property
    def calibration(self) -> str:
        """Temperature and threshold, and the weights of hybrid scoring."""
        return join(self.path, "calibration.json")

    @property
    def lexical_model(self) -> str:
        """The model of the lexical features, of a run with hybrid scoring."""
        return join(self.path, "lexical.npz")

    # The evaluation

    @property
    def metrics(self) -> str:
        """All figures. The run is finished when this file exists."""
        return join(self.path, "metrics.json")

    @property
    def eval_results(self) -> str:
        """Figures in the format of the original BERT's ``run_classifier.py``."""
        return join(self.path, "eval_results.txt")

    @property
    def classification_report(self) -> str:
        """Figures as scikit-learn's text report."""
        return join(self.path, "classification_report.txt")

    @property
    def report(self) -> str:
        """The evaluation as an HTML page."""
        return join(self.path, "report.html")

    @property
    def card(self) -> str:
        """The model card, with Hugging Face's metadata."""
        return join(self.path, "README.md")

    def tokenizer_files(self, kind: str) -> dict[str, str]:
        """Returns the paths of the copies of a tokenizer's files by option; ``kind`` is one of `KINDS`."""
        return {option: join(self.path, name) for option, name in KINDS[kind].files.items()}

    def best_weights(self, step: int) -> str:
        """Returns the prefix of the checkpoint of the weights that were the best on the dev part, after ``step``."""
        return join(self.checkpoints, f"best-{step}")

    def scores(self, part: str) -> str:
        """Returns the path of the table of scores per pair; ``part`` is "dev" or "test"."""
        return join(self.path, f"scores_{part}.tsv")

    def neural_scores(self, part: str) -> str:
        """Returns the path of the scores without the lexical features, of a run with hybrid scoring."""
        return join(self.path, f"scores_{part}_neural.tsv")

    def partner_scores(self, part: str) -> str:
        """Returns the path of the partner run's scores, of a run with ``--ensemble``."""
        return join(self.path, f"scores_{part}_partner.tsv")

    def sweep(self) -> None:
        """Removes checkpoints that a killed process left half-written."""
        sweep(self.checkpoints, r"(ckpt|best)-\d+(_temp.*|\..*\.tempstate.*)|checkpoint\.tmp[0-9a-f]+")


def _names() -> Iterator[str]:
    folder = RunFolder("")
    for name, member in vars(RunFolder).items():
        if isinstance(member, property):
            yield getattr(folder, name).split(os.sep)[0]
    for kind in KINDS.values():
        yield from kind.files.values()
    for part in ("dev", "test"):
        yield folder.scores(part)
        yield folder.neural_scores(part)
        yield folder.partner_scores(part)


RUN_FILES = frozenset(_names())
"""Names of the files and folders that lie directly in a run's folder."""

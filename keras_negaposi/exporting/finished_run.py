"""What every export reads of a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.formats.tf2 import Tf2Weights
from checkpoints_tools.source import open_source
from keras_negaposi.config import TrainConfig
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished, check_single, saved_options
from keras_negaposi.serving.calibration import Calibration, saved_calibration
from keras_negaposi.tokenizers.base import BaseTokenizer
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies


@dataclasses.dataclass(frozen=True)
class FinishedModel:
    """The model of a finished run.

    Attributes:
        folder: the run's folder.
        config: the run's options, with the tokenizer's files that are in its folder.
        tokenizer: the run's tokenizer.
        bert_config: the architecture of its encoder.
        weights: the weights of its SavedModel.
        calibration: temperature, threshold and, of a hybrid, the weights of its parts.
    """

    folder: RunFolder
    config: TrainConfig
    tokenizer: BaseTokenizer
    bert_config: BertConfig
    weights: Tf2Weights
    calibration: Calibration

    def encoder(self) -> dict[str, np.ndarray]:
        """Returns the encoder's weights, ``float32``, by TF1 name."""
        return {name: self.weights[name] for name in self.weights if not name_map.is_ignored(name)}

    def classifier(self) -> dict[str, np.ndarray]:
        """Returns kernel and bias of a cross-encoder's classifier, ``float32``, by TF1 name.

        Raises:
            InputError: it has another classifier, which a program of the user's has defined.
        """
        names = [row.tf1 for row in name_map.CLASSIFIER_ROWS]
        if not all(name in self.weights for name in names):
            raise InputError(
                f"{self.folder.path}: its classifier is not that of --head {self.config.head}; give --to serving"
            )
        return {name: self.weights[name] for name in names}

    def head(self, name: str) -> np.ndarray:
        """Returns a variable of a bi-encoder's head, ``float32``, by its name within the model.

        Raises:
            KeyError: there is no such variable.
        """
        full_name = f"{self.config.head}/{name}"
        if full_name not in self.weights.others:
            raise KeyError(full_name)
        return self.weights.read_other(full_name)

    def settings(self) -> dict[str, object]:
        """Returns what a caller has to know of the run, as it stands in an exported configuration."""
        return {
            "max_seq_length": self.config.max_seq_length,
            "truncate_a": self.config.truncate_a,
            "prefix_a": self.config.prefix_a,
            "prefix_b": self.config.prefix_b,
            "temperature": self.calibration.temperature,
            "threshold": self.calibration.threshold,
        }

    def notes(self, has_densities: bool = False) -> Iterator[str]:
        """Yields what of the run an export of the model alone leaves out.

        Args:
            has_densities: whether the export contains the pages by which densities are computed.
        """
        if self.calibration.hybrid:
            yield "lexical features (--hybrid) are not exported: the scores are those of the model alone"
        if self.calibration.density and not has_densities:
            yield "densities (--reference_pages) are not exported: the scores are those of the cosine alone"
        if self.calibration.ensemble:
            yield "the partner run is not exported"
        for side, prefix in (("A", self.config.prefix_a), ("B", self.config.prefix_b)):
            if prefix:
                yield f"the prefix is not exported: put {quoted(prefix)} before every {side} yourself"


def read_finished_model(path: str) -> FinishedModel:
    """Reads the model of a finished run.

    Raises:
        InputError: ``path`` is not the folder of a finished run, or one of its files is damaged.
    """
    check_finished(path)
    folder = RunFolder(path)
    config = saved_options(path)
    check_single(config)
    config = with_copies(config, folder)
    source = open_source(path)
    if not isinstance(source.weights, Tf2Weights):
        raise InputError(f"{folder.saved_model}: no SavedModel; finish the run again with --resume")
    return FinishedModel(
        folder, config, open_tokenizer(config), source.config, source.weights, saved_calibration(folder)
    )

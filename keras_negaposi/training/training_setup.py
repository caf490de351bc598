"""What `fit` and the callbacks need to know about a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from keras_negaposi.config import TrainConfig
from keras_negaposi.input_pipeline.datasets import ChosenBatches
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.runtime.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class TrainingSetup:
    """Everything that `fit` needs in addition to the model.

    Attributes:
        config: of the run.
        records: to train on.
        folder: holds the checkpoints. The chief writes to it; all workers read from it.
        total_steps: number of the last step.
        chance_loss: loss, in nats, of a model that has learned nothing.
        strategy: the model was created in its scope.
        build_model: builds the model, for a float32 copy that evaluates the dev part.
        targets: ``float32 [pairs, 2]``, used instead of the labels; see `datasets.train_dataset`.
        chosen: the batches, if they are chosen pair by pair; see there.
        dev_documents: the documents of A and B of each dev pair, if its recall is measured.
    """

    config: TrainConfig
    records: Records
    folder: RunFolder
    total_steps: int
    chance_loss: float
    strategy: tf.distribute.Strategy
    build_model: Callable[[], tf_keras.Model]
    targets: np.ndarray | None = None
    chosen: ChosenBatches | None = None
    dev_documents: Sequence[tuple[str, str]] | None = None

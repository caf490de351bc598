"""`PairClassifier`: a training run behind the interface of a scikit-learn classifier."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import is_remote, join, list_folder, read_text, staged_tree, write_text
from checkpoints_tools.common.progress import Listener, Ticker, reported_to
from checkpoints_tools.common.schema import read_as
from checkpoints_tools.common.streams import printed
from keras_negaposi.api.pair_rows import Column, Table, labelled_rows, text_pairs
from keras_negaposi.api.parameters import Figures, given_options, parameters_of
from keras_negaposi.config.saved import FIX
from keras_negaposi.data.pairs import parse_label
from keras_negaposi.readers.labelled_rows import titled_pairs
from keras_negaposi.runtime.folder_lock import is_leftover
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished, saved_options
from keras_negaposi.runtime.temporary_folder import TemporaryFolder

# What needs TensorFlow is imported where it is used: its import takes seconds.
if TYPE_CHECKING:
    from keras_negaposi.api.pair_evaluation import PairEvaluation
    from keras_negaposi.serving.scorer import Scorer

BATCH_SIZE = 32
"""Pairs scored together."""


class PairClassifier(ClassifierMixin, BaseEstimator):
    """Predicts whether text B comes next after text A.

    Pairs (``X``) are a table with the columns ``text_a`` and ``text_b``, and perhaps ``label`` and ``group``: a
    DataFrame, a Hugging Face ``Dataset`` or a mapping of columns; or a sequence of (text_a, text_b). Labels are 1 (B
    comes next) and 0. Every message about bad input is an `InputError`, which is a ``ValueError``.

    Args:
        bert: pre-trained BERT, as ``--init_checkpoint`` of ``train``: a folder, a checkpoint or a finished run.
        head: the pair model. A parameter that is ``None`` has the value of `train`: what the recipe chooses, or the
            option's default.
        recipe: ``quick``, ``best``, ``original`` or ``none``. By default ``quick``, or ``none`` if a parameter is given
            that a recipe would choose.
        max_seq_length: longest input, in pieces.
        learning_rate: the peak.
        num_train_epochs: passes over the training pairs.
        train_batch_size: pairs per step.
        truncate_a: which end of a long A is cut, ``end`` or ``start``.
        frozen_layers: number of lower layers that are not trained.
        dev_share: share of the training pairs that chooses the best step and calibrates.
        test_share: share of the pairs that `fit` does not train on, for the verdict and the report, at least 0.01; or 0
            to train on all pairs, where others are the test, as in cross-validation.
        hybrid: whether lexical features join the model, where there is a dev part.
        seed: of every random choice.
        output_dir: new folder for the run; by default a temporary one, which is removed with this object.
        options: further options of ``train`` by name.
        progress: called with the number of finished items, of all items (``None`` if it is unknown), and what is done.
        verbose: whether the lines of ``train`` are printed; they are logged in any case.

    Attributes:
        classes_: ``int [2]``, the labels 0 and 1.
        run_folder_: folder of the run.
        verdict_: one sentence about the test part: accuracy, baselines, warnings; or that nothing was held out.
    """

    def __init__(
        self,
        bert: str,
        *,
        head: str | None = None,
        recipe: str | None = None,
        max_seq_length: int | None = None,
        learning_rate: float | None = None,
        num_train_epochs: float | None = None,
        train_batch_size: int | None = None,
        truncate_a: str | None = None,
        frozen_layers: int | None = None,
        dev_share: float | str | None = None,
        test_share: float = 0.25,
        hybrid: bool | None = None,
        seed: int = 0,
        output_dir: str | None = None,
        options: Mapping[str, Any] | None = None,
        progress: Listener | None = None,
        verbose: bool = False,
    ) -> None:
        self.bert = bert
        self.head = head
        self.recipe = recipe
        self.max_seq_length = max_seq_length
        self.learning_rate = learning_rate
        self.num_train_epochs = num_train_epochs
        self.train_batch_size = train_batch_size
        self.truncate_a = truncate_a
        self.frozen_layers = frozen_layers
        self.dev_share = dev_share
        self.test_share = test_share
        self.hybrid = hybrid
        self.seed = seed
        self.output_dir = output_dir
        self.options = options
        self.progress = progress
        self.verbose = verbose

    @classmethod
    def load(cls, path: str) -> PairClassifier:
        """Opens a finished run, of this class or of ``train``; the parameters are those that it was trained with.

        Raises:
            InputError: ``path`` is not the folder of a finished run.
        """
        check_finished(path)
        model = cls(**parameters_of(saved_options(path)))
        model._open(path)
        return model

    def fit(self, X: Table, y: Column | None = None, groups: Column | None = None) -> PairClassifier:
        """Trains on the pairs, without the test part, and evaluates on it, if there is one.

        Args:
            X: the pairs.
            y: the labels; by default the column ``label``.
            groups: the document of each pair; by default the column ``group``. With groups, no document is in two
                parts of the split; without, pairs are split at random.

        Raises:
            InputError: the pairs or the parameters cannot be used; nothing has been written to ``output_dir``.
        """
        from keras_negaposi.api.fitting import train_run

        given = given_options(self.get_params())
        rows = labelled_rows(X, y, groups)
        data = titled_pairs(rows)
        data.check_classes("pairs")
        folder = None if self.output_dir else TemporaryFolder()
        values = {"split": "grouped" if rows[0].group is not None else "random"}
        values |= {"output_dir": join(folder.path, "run")} if folder else {}
        with self._reporting():
            path = train_run(data, values | given, given, " ".join(repr(self).split()))
        self._open(path, folder)
        return self

    def predict_proba(self, X: Table) -> np.ndarray:
        """Returns the probabilities of the labels 0 and 1, ``float64 [pairs, 2]``."""
        probabilities = self._score(text_pairs(X))[0]
        return np.column_stack([1 - probabilities, probabilities])

    def predict(self, X: Table) -> np.ndarray:
        """Returns the labels by the threshold that the run has chosen, ``int64 [pairs]``."""
        return self._score(text_pairs(X))[1]

    def score(self, X: Table, y: Column | None = None, sample_weight: np.ndarray | None = None) -> float:
        """Returns the accuracy; labels are ``y`` or the column ``label``."""
        labels = [parse_label(row.label, row.place) for row in labelled_rows(X, y)]
        return float(accuracy_score(labels, self.predict(X), sample_weight=sample_weight))

    def evaluate(self, X: Table, y: Column | None = None, groups: Column | None = None) -> PairEvaluation:
        """Evaluates the model on other pairs: accuracy, ROC AUC and log loss with 95 % intervals by document.

        Repeated pairs count once. Arguments and errors are those of `fit`.
        """
        from keras_negaposi.api.pair_evaluation import evaluate_scores
        from keras_negaposi.serving.calibration import saved_calibration

        data = titled_pairs(labelled_rows(X, y, groups))
        probabilities, _ = self._score([(data.texts[pair.a], data.texts[pair.b]) for pair in data.pairs])
        threshold = saved_calibration(RunFolder(self.run_folder_)).decision_threshold
        return evaluate_scores(data.pairs, probabilities.astype(np.float32), threshold)

    def report(self, path: str) -> None:
        """Writes the run's report, an HTML page with the verdict on the test part, figures, plots and worst errors."""
        check_is_fitted(self)
        write_text(path, read_text(RunFolder(self.run_folder_).report))

    def save(self, path: str) -> None:
        """Copies the run to a new folder, which `load` and all commands can use; it appears there when it is complete.

        Raises:
            InputError: the folder is not empty, or is not local.
        """
        check_is_fitted(self)
        if is_remote(path) or is_remote(self.run_folder_):
            raise InputError(f"{path}: only local runs are copied, to local folders; copy it with gcloud storage")
        if names := list_folder(path):
            raise InputError(f"{path}: not empty (holds {quoted(names[0])}); give a new folder")
        with staged_tree(path) as staging:
            shutil.copytree(self.run_folder_, staging, dirs_exist_ok=True, ignore=_leftovers)

    def _open(self, path: str, folder: TemporaryFolder | None = None) -> None:
        """Makes a finished run the fitted state of this object.

        Args:
            path: of the run.
            folder: the temporary folder that the run is in, if any.
        """
        self.run_folder_ = path if is_remote(path) else os.path.abspath(path)
        self.verdict_ = read_as(Figures, RunFolder(path).metrics, FIX).verdict
        self.classes_ = np.array([0, 1])
        self._folder = folder
        self._scorer: Scorer | None = None

    def _score(self, pairs: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the probabilities that B comes next, ``float64 [pairs]``, and the labels, ``int64 [pairs]``."""
        check_is_fitted(self)
        if self._scorer is None:
            from keras_negaposi.serving.scorer import Scorer

            self._scorer = Scorer(self.run_folder_)
        with self._reporting():
            scored = list(Ticker("scoring the pairs", len(pairs)).watch(self._scorer.stream(pairs, BATCH_SIZE)))
        probabilities, labels = zip(*scored, strict=True) if scored else ((), ())
        return np.array(probabilities, np.float64), np.array(labels, np.int64)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        with reported_to(self.progress), printed() if self.verbose else contextlib.nullcontext():
            yield

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the loaded model, which `_score` loads again."""
        state = super().__getstate__()
        return state | {"_scorer": None} if "_scorer" in state else state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        tags.target_tags.required = False  # the labels may be a column
        tags.classifier_tags.multi_class = False
        return tags


def _leftovers(_: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if is_leftover(name)]

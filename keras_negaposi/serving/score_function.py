"""Opens the function that scores texts: a SavedModel's signature, or one for token ids behind the run's tokenizer."""

from __future__ import annotations

import dataclasses

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the SavedModel's SentencePiece op

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join
from checkpoints_tools.saved_model import PROGRAM, find_signature, load_saved_model
from keras_negaposi.config.data import AUTO
from keras_negaposi.config.heads import BI_ENCODER
from keras_negaposi.config.using import FLOAT32, INT8
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.arithmetic import chosen_arithmetic, in_arithmetic
from keras_negaposi.serving.by_ids import Outputs, Score, in_float32, score_by_ids
from keras_negaposi.serving.by_vectors import score_by_vectors
from keras_negaposi.serving.calibration import saved_calibration, saved_combination
from keras_negaposi.serving.signatures import (
    LABEL,
    PAIR_OF_TEXTS,
    PROBABILITIES,
    SCORE_IDS,
    SCORE_TEXTS,
    takes_texts,
)

_FIX = "give one that train has written"


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A function of a SavedModel, together with it: a signature alone does not keep its variables alive."""

    function: Score
    loaded: tf.Module

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
        return self.function(text_a, text_b)


def open_score(path: str, precision: str = "float32", keep_vectors: bool = False) -> Score:
    """Opens what scores pairs of texts.

    Args:
        path: a run's folder, or a SavedModel that `export` wrote.
        precision: ``auto``, ``float32``, or ``bfloat16`` or ``int8``, which need a run's folder.
        keep_vectors: see `Scorer`.

    Raises:
        InputError: ``path`` is neither of these, or the SavedModel does not score pairs of texts.
    """
    arithmetic = chosen_arithmetic(precision)
    if arithmetic != FLOAT32:
        try:
            return _score_in(arithmetic, path)
        except InputError:
            if precision != AUTO:  # not every model can compute in bfloat16
                raise
    folder = next((p for p in (path, RunFolder(path).saved_model) if exists(join(p, PROGRAM))), None)
    if folder is None:
        raise InputError(f"{path}: neither a run's folder nor a SavedModel (no {PROGRAM} in it)")
    loaded = load_saved_model(folder)
    if keep_vectors and _is_one_vector(path):
        return _Kept(score_by_vectors(path, loaded), loaded)
    if takes_texts(loaded):
        return _Kept(_score_texts(folder, loaded), loaded)
    return _Kept(_score_with_own_tokenizer(path, folder, loaded), loaded)


def _is_one_vector(run: str) -> bool:
    """Returns whether a run's model compares one vector per text, and no partner joins it."""
    return saved_options(run).head == BI_ENCODER and not saved_calibration(RunFolder(run)).ensemble


def _score_texts(folder: str, loaded: tf.Module) -> Score:
    """Scores with a SavedModel that takes texts, after a check that it takes and returns what ours does."""
    signature = find_signature(loaded, SCORE_TEXTS, folder, (PROBABILITIES, LABEL))
    output = signature.structured_outputs[PROBABILITIES]
    if output.dtype != tf.float32 or not output.shape.is_compatible_with([None, 2]):
        raise InputError(
            f"{folder}: returns {output.dtype.name} {output.shape} as {PROBABILITIES}, not float32 (None, 2); {_FIX}"
        )
    inputs = set(signature.structured_input_signature[1])
    if inputs != set(PAIR_OF_TEXTS):
        raise InputError(f"{folder}: takes {quoted(sorted(inputs))}, not {' and '.join(PAIR_OF_TEXTS)}; {_FIX}")
    return lambda a, b: {
        name: value.numpy() for name, value in signature(**dict(zip(PAIR_OF_TEXTS, (a, b), strict=True))).items()
    }


def _score_in(precision: str, run: str) -> Score:
    """Scores with a run's model in bfloat16 or with 8 bits."""
    calibration, _ = saved_combination(RunFolder(run))
    if calibration.ensemble and precision == INT8:
        raise InputError(f"--precision int8: {run} also scores with a partner run; use bfloat16 or float32")
    partner = open_score(str(saved_options(run).partner), precision) if calibration.ensemble else None
    return score_by_ids(run, in_arithmetic(precision, run, SCORE_IDS), partner)


def _score_with_own_tokenizer(run: str, folder: str, loaded: tf.Module) -> Score:
    """Scores with a run whose SavedModel takes only token ids."""
    files = RunFolder(run)
    if not exists(files.config):
        raise InputError(
            f"{run}: a SavedModel without a tokenizer, because MeCab cannot be part of one; give the run's folder"
        )
    calibration, _ = saved_combination(files)
    partner = open_score(str(saved_options(run).partner)) if calibration.ensemble else None
    signature = find_signature(loaded, SCORE_IDS, folder, (PROBABILITIES, LABEL))
    return score_by_ids(run, in_float32(signature), partner)

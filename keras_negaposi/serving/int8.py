"""Scores with a finished run's model in 8 bits: about twice as fast on a CPU, and slightly less exact.

"Dynamic range" quantization of LiteRT (formerly TensorFlow Lite): weights are rounded to int8 when the model is
converted, activations when they are multiplied by weights. It needs no texts for calibration. Attention, softmax and
normalization stay in float32.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.files import (
    exists,
    join,
    list_folder,
    make_folder,
    read_bytes,
    read_digest,
    remove,
    write_bytes,
)
from checkpoints_tools.saved_model import PROGRAM, check_saved_model
from keras_negaposi.input_pipeline.feature_spec import Features, cut
from keras_negaposi.runtime.run_folder import RunFolder

_LONGEST_REASON = 200
_TENSORFLOW_OP = "Flex"
"""Prefix of TensorFlow's own operations in LiteRT. They could access files, and our models need none of them."""
_PAD_TO = 16
"""Inputs are padded to a multiple of this length, because LiteRT has to prepare for every new shape."""
_MOST_WORKERS = 4
"""Limits the memory: every worker has its own copy of the weights."""


class Quantized:
    """One signature of a run's SavedModel in 8 bits; the signature takes token ids and contains no tokenizer.

    A batch is divided among several interpreters, each with its share of the processors. Since rows are independent of
    each other, this is faster than one interpreter whose threads synchronize after every operation.

    Args:
        run: the folder of a finished run.
        signature: its name.

    Raises:
        InputError: ``run`` is not the folder of a finished run, its SavedModel lacks the signature, or the converted
            model is damaged.
    """

    def __init__(self, run: str, signature: str) -> None:
        content, processors = _converted(run, signature), os.cpu_count() or 1
        workers = min(processors, _MOST_WORKERS)
        threads = processors // workers
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # LiteRT announces that it will become a package of its own.
                interpreters = [tf.lite.Interpreter(model_content=content, num_threads=threads) for _ in range(workers)]
            if any(op["op_name"].startswith(_TENSORFLOW_OP) for op in interpreters[0]._get_ops_details()):
                raise ValueError("it contains operations of TensorFlow")
            self._runners = [interpreter.get_signature_runner(signature) for interpreter in interpreters]
        except (ValueError, RuntimeError) as error:
            reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
            raise InputError(
                f"{RunFolder(run).int8}: not a model that --precision int8 wrote ({reason}); remove the folder"
            ) from None
        self._pool = ThreadPoolExecutor(workers)

    def __call__(self, packed: Features) -> dict[str, np.ndarray]:
        """Returns the signature's outputs.

        Args:
            packed: the signature's inputs, ``int32 [batch, seq]`` each, padded to any length.
        """
        # Cut the padding, so that each text (A and B, where they are separate) has the length of its longest row.
        lengths = {
            name.removesuffix("input_mask"): _rounded_up(int(tf.reduce_max(tf.reduce_sum(mask, 1))), mask.shape[1])
            for name, mask in packed.items()
            if name.endswith("input_mask")
        }
        inputs = {name: value.numpy() for name, value in cut(packed, lengths).items()}

        # Divide the rows among the workers.
        rows = len(next(iter(inputs.values())))
        shares = np.array_split(np.arange(rows), max(1, min(rows, len(self._runners))))
        batches = [{name: value[share] for name, value in inputs.items()} for share in shares]
        outputs = list(self._pool.map(lambda runner, batch: runner(**batch), self._runners, batches))
        return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def _rounded_up(length: int, longest: int) -> int:
    return min(longest, -(-length // _PAD_TO) * _PAD_TO)


def _converted(run: str, signature: str) -> bytes:
    """Returns the signature in LiteRT's format; converts it on first use and stores it in the run's folder."""
    folder = RunFolder(run)
    program = join(folder.saved_model, PROGRAM)
    if not exists(program):
        raise InputError(f"{run}: not the folder of a finished run; --precision int8 needs one")

    # The file name contains a digest of the SavedModel, so that another model's file is never used.
    digest = hashlib.sha256(b"".join(map(read_digest, (program, folder.weights)))).hexdigest()
    path = join(folder.int8, f"{signature}-{digest[:16]}.tflite")
    if exists(path):
        return read_bytes(path)

    check_saved_model(folder.saved_model)
    say(f"converting the run's SavedModel to int8 (only once): {path}")
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(folder.saved_model, signature_keys=[signature])
    except ValueError:
        raise InputError(
            f"{folder.saved_model}: no signature {signature}, because an older version wrote it; train again"
        ) from None
    except Exception as error:  # TensorFlow raises different exceptions for different kinds of damage.
        reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
        raise InputError(f"{folder.saved_model}: the SavedModel cannot be loaded ({reason}); copy it again") from None
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content = converter.convert()

    # Replace the file of earlier weights.
    make_folder(folder.int8)
    for name in list_folder(folder.int8):
        if name.startswith(f"{signature}-"):
            remove(join(folder.int8, name))
    write_bytes(path, content)
    return content

"""A finished run's model in 8 bits: about twice as quick on a processor, and a little less exact.

Weights are rounded to int8 when the model is made, what is multiplied by them as it comes: "dynamic range" quantization
(LiteRT, formerly TensorFlow Lite), which needs no texts to calibrate on. Attention, softmax and norms stay float32.
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
from checkpoints_tools.saved_model import check_saved_model
from keras_negaposi.input_pipeline.feature_spec import Features, cut
from keras_negaposi.input_pipeline.packing import PREPROCESSORS, PairPreprocessor
from keras_negaposi.input_pipeline.tokenizer import Tokenizer
from keras_negaposi.modeling.heads import HEADS
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_config

_LONGEST_REASON = 200
_TENSORFLOW = "Flex"
"""How LiteRT calls TensorFlow's operations: some reach files, and none of ours needs one."""
LENGTHS = 16
"""Inputs are padded to a multiple of it: another shape has to be prepared for."""
MOST_PARTS = 4
"""Each part of a batch is worked on with a copy of the weights."""


class Quantized:
    """One signature of a run's SavedModel, which takes ids and has no tokenizer in it.

    Rows do not need each other, so parts of a batch go to different processors; all of them at one operation would
    wait for each other after each.

    Args:
        run: the folder of a finished run.
        signature: its name.

    Raises:
        InputError: the run has no such signature.
    """

    def __init__(self, run: str, signature: str) -> None:
        content, processors = _made(run, signature), os.cpu_count() or 1
        parts = min(processors, MOST_PARTS)
        threads = processors // parts
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that LiteRT will be a package of its own
                interpreters = [tf.lite.Interpreter(model_content=content, num_threads=threads) for _ in range(parts)]
            if any(part["op_name"].startswith(_TENSORFLOW) for part in interpreters[0]._get_ops_details()):
                raise ValueError("it holds operations of TensorFlow")
            self._runners = [interpreter.get_signature_runner(signature) for interpreter in interpreters]
        except (ValueError, RuntimeError) as error:
            reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
            raise InputError(f"{RunFolder(run).int8}: not what --precision int8 made; remove it: {reason}") from None
        self._pool = ThreadPoolExecutor(parts)

    def __call__(self, packed: Features) -> dict[str, np.ndarray]:
        """What the signature gives for its inputs, ``int32 [batch, seq]`` each and padded to any length."""
        lengths = {
            name.removesuffix("input_mask"): _rounded(int(tf.reduce_max(tf.reduce_sum(mask, 1))), mask.shape[1])
            for name, mask in packed.items()
            if name.endswith("input_mask")
        }
        inputs = {name: value.numpy() for name, value in cut(packed, lengths).items()}
        rows = len(next(iter(inputs.values())))
        shares = np.array_split(np.arange(rows), max(1, min(rows, len(self._runners))))
        parts = [{name: value[share] for name, value in inputs.items()} for share in shares]
        found = list(self._pool.map(lambda runner, part: runner(**part), self._runners, parts))
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _rounded(length: int, longest: int) -> int:
    return min(longest, -(-length // LENGTHS) * LENGTHS)


def _made(run: str, signature: str) -> bytes:
    """The signature in LiteRT's format, which is kept in the run's folder."""
    folder = RunFolder(run)
    if not exists(join(folder.saved_model, "saved_model.pb")):
        raise InputError(f"{run}: not the folder of a finished run, which --precision int8 needs")
    parts = (join(folder.saved_model, "saved_model.pb"), folder.weights)
    digest = hashlib.sha256(b"".join(map(read_digest, parts))).hexdigest()
    path = join(folder.int8, f"{signature}-{digest[:16]}.tflite")
    if exists(path):
        return read_bytes(path)
    check_saved_model(folder.saved_model)
    say(f"making {path} of the run's SavedModel, once")
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(folder.saved_model, signature_keys=[signature])
    except ValueError:
        raise InputError(
            f"{folder.saved_model}: has no signature {signature}, since an older version wrote it; train again"
        ) from None
    except Exception as error:  # TensorFlow has one of its own for each kind of damage
        reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
        raise InputError(f"{folder.saved_model}: the SavedModel cannot be loaded; copy it again: {reason}") from None
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content = converter.convert()
    make_folder(folder.int8)
    for name in list_folder(folder.int8):
        if name.startswith(f"{signature}-"):  # of weights that are no more
            remove(join(folder.int8, name))
    write_bytes(path, content)
    return content


def run_preprocessor(run: str) -> PairPreprocessor:
    """The tokenizer and the packing that a run was trained with.

    Raises:
        InputError: it is no run's folder.
    """
    config, folder = saved_config(run), RunFolder(run)
    tokenizer = Tokenizer(folder.sentencepiece_model, folder.vocabulary, config["do_lower_case"])
    return PREPROCESSORS[HEADS[config["head"]].layout](tokenizer, config["max_seq_length"], config["truncate_a"])

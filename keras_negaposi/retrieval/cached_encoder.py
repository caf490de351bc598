"""Uses the SavedModel of a bi-encoder: encodes A and B separately, and scores the encoded sides."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the SavedModel's SentencePiece op

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, read_digest
from checkpoints_tools.saved_model import find_signature, load_saved_model
from keras_negaposi.config.tokenizer_files import SENTENCEPIECE
from keras_negaposi.config.using import FLOAT32, INT8
from keras_negaposi.index_files.segment import Rows
from keras_negaposi.modeling.heads import HEADS, is_cacheable
from keras_negaposi.modeling.heads.tensor_names import MASK
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import read_saved, saved_config, saved_options
from keras_negaposi.serving.arithmetic import arithmetic_for, chosen_arithmetic, in_arithmetic
from keras_negaposi.serving.by_ids import EncodeSide, encode_by_ids, load_side
from keras_negaposi.serving.known_pages import KnownPages
from keras_negaposi.serving.signatures import (
    ENCODE_IDS,
    PROBABILITIES,
    SCORE_SIDES,
    SCORE_SIDES_HALF,
    join_sides,
    stack_known,
)
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies

SCORE_SIGNATURES = {"float32": SCORE_SIDES, "float16": SCORE_SIDES_HALF}
"""By the type in which B's side is stored."""
OPTIONS_IN_FINGERPRINT = ("head", "max_seq_length", "truncate_a", "do_lower_case", "prefix_a", "prefix_b")


class CachedScorer:
    """Encodes texts and scores encoded sides.

    Args:
        run: folder of a finished run.
        precision: arithmetic of `encode`: ``auto``, ``float32``, ``bfloat16`` or ``int8``.

    Raises:
        InputError: ``run`` is not the folder of a finished run, or its head does not encode B separately.
    """

    def __init__(self, run: str, precision: str = "float32") -> None:
        self.config = saved_config(run)
        self.head = str(self.config.get("head", "pair"))
        self.run = run
        if not is_cacheable(self.head):
            heads = ", ".join(name for name in HEADS if is_cacheable(name))
            raise InputError(
                f"{run}: its head {self.head} does not encode B separately; train with --head and one of {heads}"
            )
        self._precision = precision
        self._encoders: dict[str, EncodeSide] = {}

    @functools.cached_property
    def _loaded(self) -> tf.Module:
        return load_saved_model(RunFolder(self.run).saved_model)

    def _signature(self, name: str) -> Callable[..., dict[str, tf.Tensor]]:
        return find_signature(self._loaded, name, RunFolder(self.run).saved_model)

    def prepare_for(self, keys: Collection[str]) -> str:
        """Prepares to encode the texts with these keys as B; ``auto`` chooses the arithmetic by their number.

        Returns:
            The arithmetic.

        Raises:
            InputError: the model cannot be loaded.
        """
        self._precision = chosen_arithmetic(arithmetic_for(self._precision, len(keys) - self.count_known(keys)))
        self.prepare("b")
        return self._precision

    def prepare(self, side: str) -> EncodeSide:
        """Loads the function that encodes a side; later calls return the same function.

        Raises:
            InputError: it cannot be loaded.
        """
        if side not in self._encoders:
            self._encoders[side] = self._encoder(side)
        return self._encoders[side]

    def _encoder(self, side: str) -> EncodeSide:
        arithmetic = chosen_arithmetic(self._precision)
        if arithmetic == FLOAT32:
            return load_side(self.run, self._loaded, side)
        return encode_by_ids(self.run, side, in_arithmetic(arithmetic, self.run, ENCODE_IDS[side]))

    @functools.cached_property
    def _known(self) -> KnownPages | None:
        """The pages that the run has encoded; ``None`` with 8 bits, whose vectors are others."""
        return KnownPages(self.run, self._loaded) if self._precision != INT8 else None

    def count_known(self, keys: Iterable[str]) -> int:
        """Returns how many of the texts with these keys `encode` need not compute as B."""
        return self._known.count(keys) if self._known else 0

    def fingerprint(self, dtype: str, precision: str = "float32") -> dict[str, str]:
        """Returns everything on which the tensors in an index depend, by the name to print where it differs.

        ``bfloat16`` counts as ``float32``: an index that a machine with bfloat16 has built is used on any other.
        """
        folder = RunFolder(self.run)
        # Options that the run's version did not have yet count as None, not as today's defaults.
        saved = read_saved(self.run).config
        options = {name: str(saved.get(name)) for name in OPTIONS_IN_FINGERPRINT}
        return {
            "weights": read_digest(folder.weights).hex()[:16],
            "tokenizer": _tokenizer_digest(self.run),
            "dtype": dtype,
            "precision": INT8 if precision == INT8 else FLOAT32,
        } | options

    def encode(self, side: str, texts: Sequence[str]) -> Rows:
        """Returns the tensors of texts as side ``"a"`` or ``"b"``, which depend on the head (see `bi_encoder_base`)."""
        if side == "a" or not self._known:
            return self.prepare(side)(tf.constant(list(texts)))
        return stack_known(texts, self._known.of(texts), lambda new: self.prepare(side)(tf.constant(new)))

    def encode_candidates(self, texts: Sequence[str]) -> Rows:
        """Returns the tensors of texts as B that `score` takes."""
        return self.encode("b", texts)

    def score(self, a: Rows, b: Rows) -> np.ndarray:
        """Returns the probability that B comes next, ``float32 [rows of b]``.

        Args:
            a: A's tensors, with one row for all B or with as many rows as ``b``.
            b: B's tensors, in float32 or float16.
        """
        dtype = next(value.dtype.name for name, value in b.items() if name != MASK)
        sides = {name: tf.constant(value) for name, value in join_sides({"a": a, "b": b}).items()}
        return self._signature(SCORE_SIGNATURES[dtype])(**sides)[PROBABILITIES].numpy()[:, 1]


def _tokenizer_digest(run: str) -> str:
    """Returns a hash of a run's tokenizer; of SentencePiece the one that older indexes have."""
    config, folder = saved_options(run), RunFolder(run)
    copied = with_copies(config, folder)
    if copied.tokenizer == SENTENCEPIECE:
        content = b"".join(map(read_bytes, folder.tokenizer_files(SENTENCEPIECE).values()))
    else:
        content = open_tokenizer(copied).digest
    return hashlib.sha256(content).hexdigest()[:16]

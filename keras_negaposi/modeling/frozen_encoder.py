"""The pre-trained encoder as it is, not fine-tuned: embeddings of texts, and hidden states of their tokens."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, MASK_INPUT, WORD_INPUT, Features
from keras_negaposi.input_pipeline.packing import SPECIAL_IDS_OF_SINGLE, pack_singles, trim
from keras_negaposi.modeling.heads.layers import masked_mean, side_masks
from keras_negaposi.modeling.precision import choose_precision, precision
from keras_negaposi.modeling.pretrained import Pretrained
from keras_negaposi.runtime.tf_functions import traced

POOLINGS = ("first", "mean")
"""Ways to pool a text's last hidden states, in the order of an embedding's rows."""
LENGTH_STEP = 16
"""Batches are padded to a multiple of this, so that few shapes occur."""


class FrozenEncoder:
    """Encodes single texts. The encoder is built, and its graph traced, when the first text is encoded.

    Args:
        pretrained: the encoder and its tokenizer.
        max_seq_length: length in pieces to which an input, ``[CLS] text [SEP]``, is truncated.
        precision: arithmetic: ``auto``, ``float32`` or ``bfloat16``.
    """

    def __init__(self, pretrained: Pretrained, max_seq_length: int, precision: str) -> None:
        self._pretrained = pretrained
        self._max_seq_length = max_seq_length
        self._precision = choose_precision(precision)

    @property
    def embedding_shape(self) -> tuple[int, int]:
        """Shape of the embedding of a text, ``[poolings, hidden]``."""
        return len(POOLINGS), self._pretrained.bert_config.hidden_size

    def encode(self, texts: Sequence[str], batch_size: int, tick: Callable[[int], object] | None = None) -> np.ndarray:
        """Encodes texts in batches of similar length, each padded only to about its longest text.

        Args:
            texts: may be in any order; repeated texts are encoded repeatedly.
            batch_size: texts per step.
            tick: called after each step with the number of encoded texts, such as a `Ticker`.

        Returns:
            The embeddings in the order of ``texts``, ``float32 [texts, poolings, hidden]``.

        Raises:
            InputError: a text contains half a surrogate pair.
        """
        lengths = np.array([len(ids) for ids in self._pretrained.tokenizer.encode_arrays(texts)], np.int64)
        order = np.argsort(lengths, kind="stable")
        embeddings = np.zeros((len(texts), *self.embedding_shape), np.float32)
        for start in range(0, len(texts), batch_size):
            rows = order[start : start + batch_size]
            longest = lengths[rows[-1]] + SPECIAL_IDS_OF_SINGLE
            length = min(-(-longest // LENGTH_STEP) * LENGTH_STEP, self._max_seq_length)
            embeddings[rows] = self._encode_batch(tf.constant([texts[row] for row in rows]), length).numpy()
            if tick:
                tick(start + len(rows))
        return embeddings

    def token_states(
        self,
        texts: Sequence[str],
        pack: Callable[[tf.Tensor], Features],
        batch_size: int,
        tick: Callable[[int], object] | None = None,
    ) -> list[np.ndarray]:
        """Encodes texts as a head's inputs, in batches of similar length.

        Args:
            texts: in any order; repeated texts are encoded repeatedly.
            pack: cuts texts, ``string [batch]``, and returns the encoder's inputs, such as `SeparatePreprocessor.side`.
            batch_size: texts per step.
            tick: called after each step with the number of encoded texts, such as a `Ticker`.

        Returns:
            The last hidden states of each text without padding, ``float32 [tokens, hidden]`` each.
        """
        rows = [(text,) for text in texts]
        encoded = self._encode_rows(rows, pack, lambda inputs: [inputs[MASK_INPUT]], batch_size, tick)
        return [states for (states,) in encoded]

    def pair_states(
        self,
        pairs: Sequence[tuple[str, str]],
        pack: Callable[[tf.Tensor, tf.Tensor], Features],
        batch_size: int,
        tick: Callable[[int], object] | None = None,
    ) -> list[list[np.ndarray]]:
        """Encodes pairs in the joint layout, in batches of similar length.

        Args:
            pairs: texts of A and B.
            pack: cuts pairs, two ``string [batch]``, and returns the encoder's inputs, such as a `JointPreprocessor`.
            batch_size: pairs per step.
            tick: called after each step with the number of encoded pairs.

        Returns:
            The last hidden states of A's and of B's tokens of each pair, ``float32 [tokens, hidden]`` each.
        """
        return self._encode_rows(
            pairs, pack, lambda inputs: side_masks(inputs[WORD_INPUT], inputs[MASK_INPUT]), batch_size, tick
        )

    def _encode_rows(
        self,
        rows: Sequence[tuple[str, ...]],
        pack: Callable[..., Features],
        masks: Callable[[Features], Sequence[tf.Tensor]],
        batch_size: int,
        tick: Callable[[int], object] | None,
    ) -> list[list[np.ndarray]]:
        """Returns the last hidden states of each row under each of its masks, ``float32 [tokens, hidden]`` each."""
        order = sorted(range(len(rows)), key=lambda row: sum(map(len, rows[row])))
        encoded: list[list[np.ndarray]] = [[]] * len(rows)
        for start in range(0, len(rows), batch_size):
            batch = order[start : start + batch_size]
            packed = trim(pack(*map(tf.constant, zip(*(rows[row] for row in batch), strict=True))))
            inputs = {name: packed[name] for name in ENCODER_INPUTS}
            of_masks = zip(*(mask.numpy() > 0 for mask in masks(inputs)), strict=True)
            for row, values, chosen in zip(batch, self._last_states(inputs).numpy(), of_masks, strict=True):
                encoded[row] = [values[mask] for mask in chosen]
            if tick:
                tick(start + len(batch))
        return encoded

    def fingerprint(self, precision: str | None = None) -> str:
        """Returns a hash of everything that an embedding depends on in addition to its text.

        Args:
            precision: hashed in place of the encoder's own.
        """
        tokenizer, source = self._pretrained.tokenizer, self._pretrained.source
        digest = hashlib.sha256(tokenizer.digest)
        digest.update(f"{source.config} {source.weights.fingerprint()}".encode())
        options = (POOLINGS, tokenizer.do_lower_case, self._max_seq_length, precision or self._precision)
        digest.update(repr(options).encode())
        return digest.hexdigest()

    @functools.cached_property
    def _encoder(self) -> tf_keras.Model:
        with precision(self._precision):
            return self._pretrained.encoder()

    @functools.cached_property
    def _last_states(self) -> tf.types.experimental.PolymorphicFunction:
        """The encoder as a graph: `ENCODER_INPUTS`, ``int32 [batch, seq]`` -> ``float32 [batch, seq, hidden]``."""
        encoder = self._encoder

        def encode(inputs: Features) -> tf.Tensor:
            return tf.cast(encoder(inputs, training=False)["sequence_output"], tf.float32)

        return traced(encode, [{name: tf.TensorSpec([None, None], tf.int32, name) for name in ENCODER_INPUTS}])

    @functools.cached_property
    def _encode_batch(self) -> tf.types.experimental.PolymorphicFunction:
        """The encoder as a graph: ``string [batch]``, padded length -> ``float32 [batch, poolings, hidden]``."""
        encoder = self._encoder

        def encode(batch: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
            packed = pack_singles(self._pretrained.tokenizer, batch, self._max_seq_length)
            inputs = {name: packed[name][:, :length] for name in ENCODER_INPUTS}
            states = encoder(inputs, training=False)["sequence_output"]
            return tf.stack([tf.cast(states[:, 0], tf.float32), masked_mean(states, inputs["input_mask"])], axis=1)

        return traced(encode, [tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)])

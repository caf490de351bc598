"""Pre-trains a tiny BERT on generated decks: masked language model and next sentence (arXiv 1810.04805, 3.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers, networks

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder, encoder_to_tf1, tanh_gelu
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, LABEL
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.training.optimizer import CLIP_NORM, WEIGHT_DECAY, warmup_then_linear

MASKED_SHARE = 0.15
PREDICTIONS = 10
"""Maximum number of masked pieces per pair."""
WORD_BEGINS = "\u2581"
"""SentencePiece's symbol for a space, with which a word begins."""
MASKED_WEIGHT = 0.3
"""Weight of the masked pieces' loss; with a larger one it would dominate the next-sentence loss."""
WARMUP = 0.1
EPOCHS = 20
"""Number of times that the training reports its losses."""

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How to pre-train.

    Attributes:
        steps: number of optimizer steps.
        batch_size: pairs per step.
        learning_rate: peak learning rate.
        seed: seed of masks and weights.
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int


def pretrain(
    config: BertConfig,
    tokenizer: Tokenizer,
    vectors: np.ndarray,
    packed: Iterable[dict[str, np.ndarray]],
    schedule: Schedule,
) -> dict[str, np.ndarray]:
    """Pre-trains a BERT from random weights and the given word vectors.

    If the word vectors are random as well, a network of this size stays at chance in the next-sentence task: until
    related pieces have similar vectors, the task is as hard to learn as a parity function.

    Args:
        config: architecture of the BERT.
        tokenizer: gives the ids of special pieces.
        vectors: initial word embeddings, ``float32 [vocab, hidden]``; see `word_vectors`.
        packed: endless chunks of features with at least ``batch_size`` pairs each; label 1 means "B comes next".
        schedule: length and size of the training.

    Returns:
        All variables, including those of the pre-training outputs, under their TF1 names.
    """
    tf_keras.utils.set_random_seed(schedule.seed)

    # A tiny network does not overfit endless data; dropout would only hide the weak next-sentence signal.
    undropped = dataclasses.replace(config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    encoder = accelerate(build_encoder(undropped))
    encoder.get_embedding_table().assign(vectors)
    model = _with_outputs(encoder, config)
    model.compile(
        optimizer=tf_keras.optimizers.AdamW(
            warmup_then_linear(schedule.learning_rate, schedule.steps, WARMUP),
            WEIGHT_DECAY,
            epsilon=1e-6,
            global_clipnorm=CLIP_NORM,
        ),
        loss_weights={"masked": MASKED_WEIGHT, "next": 1.0},
        loss={name: tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in ("masked", "next")},
        weighted_metrics={
            name: [tf_keras.metrics.SparseCategoricalAccuracy("accuracy")] for name in ("masked", "next")
        },
    )

    # The first batch only gives the shapes; the others are trained on.
    batches = _masked_batches(packed, tokenizer, schedule.batch_size, np.random.default_rng(schedule.seed))
    first = next(batches)
    signature = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape, value.dtype), first)
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature).prefetch(4)
    model.fit(dataset, epochs=EPOCHS, steps_per_epoch=max(1, schedule.steps // EPOCHS), verbose=2)
    return encoder_to_tf1(encoder, config) | _outputs_to_tf1(model)


def word_vectors(
    neighbours: Iterable[tuple[list[int], list[int]]], vocab_size: int, width: int, scale: float
) -> np.ndarray:
    """Computes word vectors from the pieces of adjacent slides: SVD of their positive pointwise mutual information.

    This is what word2vec learns implicitly (Levy and Goldberg, 2014).

    Args:
        neighbours: token ids of the two slides, for every two adjacent slides.
        vocab_size: number of pieces.
        width: size of a vector.
        scale: standard deviation of its elements.

    Returns:
        ``float32 [vocab_size, width]``.
    """
    # Count the slide pairs in which two pieces occur together.
    counts = np.zeros((vocab_size, vocab_size))
    for first, second in neighbours:
        pieces = np.unique(first + second)
        counts[np.ix_(pieces, pieces)] += 1

    # Factorize the positive pointwise mutual information.
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    ratio = counts * counts.sum() / (totals * totals.T)
    information = np.log(np.maximum(ratio, 1.0))
    left, values, _ = np.linalg.svd(information)
    vectors = left[:, :width] * np.sqrt(values[:width])

    # Give all vectors the same length, and pieces that never occur a little noise.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = np.random.default_rng(0).normal(0.0, scale / 16, vectors.shape)
    return (vectors / np.maximum(lengths, 1e-6) * np.sqrt(width) * scale + noise).astype(np.float32)


def mask_pieces(
    word_ids: np.ndarray,
    maskable: np.ndarray,
    begins: np.ndarray,
    mask_id: int,
    vocab_size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Masks pieces as BERT does: of the selected ones, 80 % become ``[MASK]``, 10 % a random piece, 10 % stay.

    In half of the rows whole words are selected, as in google-research/bert's whole word masking. In these texts words
    are whole sentences, so the model can predict them only from the other sentences, including those of the other
    slide.

    Args:
        word_ids: token ids, ``int32 [batch, seq]``.
        maskable: which pieces may be masked, ``bool [batch, seq]``.
        begins: which pieces begin a word, ``bool [batch, seq]``.
        mask_id: id of ``[MASK]``.
        vocab_size: number of pieces to choose random pieces from.
        rng: source of the random numbers.

    Returns:
        The changed token ids, ``int32 [batch, seq]``; the positions and original ids of the selected pieces, ``int32
        [batch, PREDICTIONS]`` each; and their weights, ``float32 [batch, PREDICTIONS]``, 0 where fewer were selected.
    """
    # Rank the pieces at random; the pieces of a word share their rank in half of the rows.
    words = np.cumsum(begins, axis=1)
    by_word = np.take_along_axis(rng.random(word_ids.shape), np.minimum(words, word_ids.shape[1] - 1), axis=1)
    whole = rng.random((len(word_ids), 1)) < 0.5
    rank = np.where(whole, by_word, rng.random(word_ids.shape))

    # Select the lowest ranks.
    order = np.argsort(np.where(maskable, rank, 2.0), axis=1, kind="stable")
    positions = order[:, :PREDICTIONS].astype(np.int32)
    wanted = np.clip(np.round(maskable.sum(axis=1) * MASKED_SHARE), 1, PREDICTIONS)
    weights = (np.arange(PREDICTIONS) < wanted[:, np.newaxis]).astype(np.float32)
    weights *= np.take_along_axis(maskable, positions, axis=1)
    targets = np.take_along_axis(word_ids, positions, axis=1)

    # Replace the selected pieces.
    draw = rng.random(positions.shape)
    replacement = np.where(
        draw < 0.8, mask_id, np.where(draw < 0.9, rng.integers(vocab_size, size=draw.shape), targets)
    )
    masked = word_ids.copy()
    np.put_along_axis(masked, positions, np.where(weights > 0, replacement, targets).astype(np.int32), axis=1)
    return masked, positions, targets, weights


def _masked_batches(
    packed: Iterable[dict[str, np.ndarray]], tokenizer: Tokenizer, batch_size: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Yields endless batches of inputs, labels and weights, with masked pieces."""
    mask_id = tokenizer.vocabulary["[MASK]"]
    begins = np.array([piece.startswith(WORD_BEGINS) for piece in tokenizer.vocabulary])
    for chunk in packed:
        order = rng.permutation(len(chunk[LABEL]))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            rows = {name: values[order[start : start + batch_size]] for name, values in chunk.items()}
            inputs = {name: rows[name] for name in ENCODER_INPUTS}
            ids = inputs["input_word_ids"]
            maskable = (inputs["input_mask"] == 1) & (ids != tokenizer.cls_id) & (ids != tokenizer.sep_id)
            masked, positions, targets, weights = mask_pieces(
                ids, maskable, begins[ids], mask_id, tokenizer.vocab_size, rng
            )
            inputs |= {"input_word_ids": masked, "masked_positions": positions}
            labels = rows[LABEL].astype(np.int32)
            yield (
                inputs,
                {"masked": targets, "next": labels},
                {"masked": weights, "next": np.ones(batch_size, np.float32)},
            )


def _with_outputs(encoder: networks.BertEncoder, config: BertConfig) -> tf_keras.Model:
    """Adds both pre-training outputs to the encoder: logits of masked pieces and of "B comes next"."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    positions = tf_keras.Input([PREDICTIONS], dtype=tf.int32, name="masked_positions")
    states = encoder(inputs)

    def initializer() -> tf_keras.initializers.Initializer:
        return tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)

    masked = layers.MaskedLM(encoder.get_embedding_table(), tanh_gelu, initializer(), name="masked")
    following = tf_keras.layers.Dense(2, kernel_initializer=initializer(), name="next")
    outputs = {"masked": masked(states["sequence_output"], positions), "next": following(states["pooled_output"])}
    return tf_keras.Model({**inputs, "masked_positions": positions}, outputs)


def _outputs_to_tf1(model: tf_keras.Model) -> dict[str, np.ndarray]:
    """Returns the variables of the pre-training outputs under their TF1 names."""
    masked, following = model.get_layer("masked"), model.get_layer("next")
    kernel, bias = following.get_weights()
    transform = "cls/predictions/transform"
    return {
        f"{transform}/dense/kernel": masked.dense.kernel.numpy(),
        f"{transform}/dense/bias": masked.dense.bias.numpy(),
        f"{transform}/LayerNorm/gamma": masked.layer_norm.gamma.numpy(),
        f"{transform}/LayerNorm/beta": masked.layer_norm.beta.numpy(),
        "cls/predictions/output_bias": masked.bias.numpy(),
        "cls/seq_relationship/output_weights": kernel.T,
        "cls/seq_relationship/output_bias": bias,
    }

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
from keras_negaposi.input_pipeline.tokenizer import Tokenizer
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.training.optimizer import CLIP_NORM, WEIGHT_DECAY, warmup_then_linear

MASKED_SHARE = 0.15
PREDICTIONS = 10
"""Most pieces masked in one pair."""
WORD_BEGINS = "\u2581"
"""SentencePiece's mark of a space, which begins a word."""
MASKED_WEIGHT = 0.3
"""Of the masked pieces' loss beside the next sentence's, which would be drowned."""
WARMUP = 0.1

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]


def pretrain(
    config: BertConfig,
    tokenizer: Tokenizer,
    vectors: np.ndarray,
    packed: Iterable[dict[str, np.ndarray]],
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Trains from random weights and the given word vectors.

    From random word vectors, too, a network of this size stays at chance in the next-sentence task: its gradients
    are those of a parity until pieces that belong together look alike.

    Args:
        config: the architecture.
        tokenizer: says which ids are never masked, and which one masks.
        vectors: ``float32 [vocab, hidden]``, the word embeddings at the start; see `word_vectors`.
        packed: endless chunks of features, `batch_size` pairs or more each; the label is "B comes next".
        steps: optimizer updates.
        batch_size: pairs an update.
        learning_rate: the highest one.
        seed: of masks, weights and dropout.

    Returns:
        Every variable, pre-training heads included, under its TF1 name.
    """
    tf_keras.utils.set_random_seed(seed)
    # A tiny network on endless data overfits nothing; dropout only hides the faint next-sentence signal.
    undropped = dataclasses.replace(config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    encoder = accelerate(build_encoder(undropped))
    encoder.get_embedding_table().assign(vectors)
    model = _with_heads(encoder, config)
    model.compile(
        optimizer=tf_keras.optimizers.AdamW(
            warmup_then_linear(learning_rate, steps, WARMUP), WEIGHT_DECAY, epsilon=1e-6, global_clipnorm=CLIP_NORM
        ),
        loss_weights={"masked": MASKED_WEIGHT, "next": 1.0},
        loss={name: tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in ("masked", "next")},
        weighted_metrics={
            name: [tf_keras.metrics.SparseCategoricalAccuracy("accuracy")] for name in ("masked", "next")
        },
    )
    batches = _masked_batches(packed, tokenizer, batch_size, np.random.default_rng(seed))
    first = next(batches)
    signature = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape, value.dtype), first)
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature).prefetch(4)
    epochs = 20
    model.fit(dataset, epochs=epochs, steps_per_epoch=max(1, steps // epochs), verbose=2)
    return encoder_to_tf1(encoder, config) | _heads_to_tf1(model)


def word_vectors(
    neighbours: Iterable[tuple[list[int], list[int]]], vocab_size: int, width: int, scale: float
) -> np.ndarray:
    """Word vectors from which pieces occur on slides side by side: SVD of their positive mutual information.

    The explicit form of what word2vec learns (Levy and Goldberg, 2014).

    Args:
        neighbours: piece ids of two slides that follow each other, for every such two.
        vocab_size: number of pieces.
        width: of a vector.
        scale: standard deviation of its elements.

    Returns:
        ``float32 [vocab_size, width]``.
    """
    counts = np.zeros((vocab_size, vocab_size))
    for first, second in neighbours:
        pieces = np.unique(first + second)
        counts[np.ix_(pieces, pieces)] += 1
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    ratio = counts * counts.sum() / (totals * totals.T)
    information = np.log(np.maximum(ratio, 1.0))
    left, values, _ = np.linalg.svd(information)
    vectors = left[:, :width] * np.sqrt(values[:width])
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
    """Hides pieces as BERT does: of those drawn, 80 % become ``[MASK]``, 10 % a random piece, 10 % stay.

    In half of the rows whole words are drawn (as in google-research/bert's whole word masking), which in these texts
    are whole sentences: what stood there can then be told from the other sentences only, those of the other slide
    among them.

    Args:
        word_ids: ``int32 [batch, seq]``.
        maskable: ``bool [batch, seq]``, which pieces may be drawn.
        begins: ``bool [batch, seq]``, which pieces begin a word.
        mask_id: of ``[MASK]``.
        vocab_size: for the random pieces.
        rng: of every draw.

    Returns:
        The changed ``int32 [batch, seq]``, and positions, original ids (both ``int32 [batch, PREDICTIONS]``) and
        weights (``float32``, 0 where fewer were drawn).
    """
    words = np.cumsum(begins, axis=1)
    by_word = np.take_along_axis(rng.random(word_ids.shape), np.minimum(words, word_ids.shape[1] - 1), axis=1)
    whole = rng.random((len(word_ids), 1)) < 0.5
    rank = np.where(whole, by_word, rng.random(word_ids.shape))
    order = np.argsort(np.where(maskable, rank, 2.0), axis=1, kind="stable")
    positions = order[:, :PREDICTIONS].astype(np.int32)
    wanted = np.clip(np.round(maskable.sum(axis=1) * MASKED_SHARE), 1, PREDICTIONS)
    weights = (np.arange(PREDICTIONS) < wanted[:, np.newaxis]).astype(np.float32)
    weights *= np.take_along_axis(maskable, positions, axis=1)
    targets = np.take_along_axis(word_ids, positions, axis=1)
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


def _with_heads(encoder: networks.BertEncoder, config: BertConfig) -> tf_keras.Model:
    """The encoder with both pre-training heads; outputs are logits."""
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ENCODER_INPUTS}
    positions = tf_keras.Input([PREDICTIONS], dtype=tf.int32, name="masked_positions")
    states = encoder(inputs)

    def initializer() -> tf_keras.initializers.Initializer:
        return tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)

    masked = layers.MaskedLM(encoder.get_embedding_table(), tanh_gelu, initializer(), name="masked")
    following = tf_keras.layers.Dense(2, kernel_initializer=initializer(), name="next")
    outputs = {"masked": masked(states["sequence_output"], positions), "next": following(states["pooled_output"])}
    return tf_keras.Model({**inputs, "masked_positions": positions}, outputs)


def _heads_to_tf1(model: tf_keras.Model) -> dict[str, np.ndarray]:
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

"""A file of embeddings by the frozen encoder, so that no text is encoded twice, and features of pairs of embeddings.

The linear probe and the embedding cosine are logistic regressions on these features.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, make_folder, read_bytes, write_bytes
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config import BaselineConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.texts import text_key
from keras_negaposi.modeling.frozen_encoder import POOLINGS, FrozenEncoder
from keras_negaposi.modeling.pretrained import Pretrained

Vectors = dict[str, np.ndarray]
"""Embeddings by `text_key`: ``float32 [2, hidden]``, a text's last hidden states pooled in each way of `POOLINGS`."""


def text_vectors(config: BaselineConfig, pretrained: Pretrained, texts: Sequence[str], path: str) -> Vectors:
    """Returns the embeddings of the texts, and computes those that ``path`` does not contain for the same model.

    Args:
        config: sets the precision, the maximum length and the batch size.
        pretrained: the encoder and its tokenizer.
        texts: repeated texts are encoded once.
        path: ``.npz`` file of embeddings by the text's hash; new embeddings are added to it.
    """
    encoder = FrozenEncoder(pretrained, config.max_seq_length, config.precision)
    key = encoder.fingerprint()
    vectors = read_vectors(path, key, pretrained.bert_config.hidden_size)
    wanted = {text_key(text): text for text in texts}
    missing = {name: text for name, text in wanted.items() if name not in vectors}
    if missing:
        say(f"encoding {len(missing):,} texts ({len(wanted) - len(missing):,} others are in {path})")
        tick = Ticker("encoding", len(missing))
        rows = encoder.encode(list(missing.values()), config.encode_batch_size, tick)
        vectors |= dict(zip(missing, rows, strict=True))
        _write_vectors(path, key, vectors)
    return {name: vectors[name] for name in wanted}


def pair_features(vectors: Vectors, texts: dict[str, str], pairs: Sequence[Pair], pooling: str) -> np.ndarray:
    """Returns u, v, |u - v| and u * v for the embeddings u of A and v of B, ``float32 [pairs, 4 * hidden]``.

    A linear classifier on u and v alone could not compare them (InferSent, Conneau et al. 2017, arXiv 1705.02364).
    """
    u, v = _both_sides(vectors, texts, pairs, pooling)
    return np.concatenate([u, v, np.abs(u - v), u * v], axis=1)


def centred_cosines(
    vectors: Vectors, texts: dict[str, str], train: Sequence[Pair], pairs: Sequence[Pair], pooling: str
) -> np.ndarray:
    """Returns the cosines of the mean-centred embeddings of A and B, ``float32 [pairs, 1]``.

    All embeddings of an encoder have a large component in common, which makes every cosine high (Mu & Viswanath 2018,
    arXiv 1702.01417). The mean that is subtracted is that of the training pairs' embeddings.
    """
    center = np.mean(np.concatenate(_both_sides(vectors, texts, train, pooling)), axis=0)
    u, v = (side - center for side in _both_sides(vectors, texts, pairs, pooling))
    lengths = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
    return (np.sum(u * v, axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny))[:, np.newaxis]


def _both_sides(
    vectors: Vectors, texts: dict[str, str], pairs: Sequence[Pair], pooling: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the embeddings of A and of B, ``float32 [pairs, hidden]`` each."""
    row = POOLINGS.index(pooling)
    a = np.stack([vectors[text_key(texts[pair.a])][row] for pair in pairs])
    b = np.stack([vectors[text_key(texts[pair.b])][row] for pair in pairs])
    return a, b


def read_vectors(path: str, key: str, hidden: int) -> Vectors:
    """Reads the embeddings in a file; returns none if the file is missing or for another model.

    Args:
        path: the ``.npz`` file.
        key: the model's key.
        hidden: the size of an embedding.

    Raises:
        InputError: the file is damaged or is not an embedding cache.
    """
    if not exists(path):
        return {}
    saved_key, names, vectors = load_vectors(path)
    if saved_key != key:
        say(f"{path}: embeddings of another model or other options; recomputed")
        return {}
    shape = (len(set(names.ravel().tolist())), len(POOLINGS), hidden)
    if names.ndim != 1 or vectors.shape != shape or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
        raise InputError(f"{path}: damaged: not one embedding of size {hidden} per text; remove it to recompute it")
    return dict(zip(names.tolist(), vectors, strict=True))


def load_vectors(path: str) -> tuple[str, np.ndarray, np.ndarray]:
    """Reads the model's key, the hashes of the texts and their embeddings from a file, without checking them.

    Raises:
        InputError: the file is damaged or is not an embedding cache.
    """
    content = read_bytes(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return str(file["key"]), file["names"], file["vectors"]
    except Exception:  # a damaged .npz can raise anything
        raise InputError(
            f"{path}: not an embedding cache, or damaged; remove it, or use another --embedding_cache"
        ) from None


def _write_vectors(path: str, key: str, vectors: Vectors) -> None:
    """Writes the embeddings of a model to a file."""
    if not is_remote(path):
        make_folder(os.path.dirname(path) or ".")
    content = io.BytesIO()
    np.savez(content, key=np.array(key), names=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
    write_bytes(path, content.getvalue())

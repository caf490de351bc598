"""A bi-encoder (head ``vector``) as a folder of sentence-transformers, with a route for each side.

``encode_query`` gives the vector of A and ``encode_document`` that of B. Each route has an encoder of its own: B's
tokens have the type 1, which sentence-transformers cannot say, so B's encoder has that type's embedding in the place of
the first one.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from checkpoints_tools.common.files import join, write_json
from checkpoints_tools.formats.huggingface import FILE, write_huggingface
from keras_negaposi.exporting.cross_encoder import SETTINGS
from keras_negaposi.exporting.finished_run import FinishedModel
from keras_negaposi.exporting.tokenizer_folder import write_tokenizer

_EPSILON, _COSINE_EPSILON = 1e-3, 1e-6
"""Added to the variances of ``center`` and of the cosine's ``standardize``."""
_TYPES = "bert/embeddings/token_type_embeddings"
_MODULES = "sentence_transformers.models"


class _Side(NamedTuple):
    route: str
    token_type: int
    projection: str


_SIDES = (_Side("query", 0, "query"), _Side("document", 1, "key"))


def write_bi_encoder(model: FinishedModel, folder: str) -> None:
    """Writes the modules of both routes and the files that name them.

    Raises:
        InputError: safetensors is not installed, or the tokenizer has no equivalent.
    """
    types, structure = {"pooling": f"{_MODULES}.Pooling", "normalize": f"{_MODULES}.Normalize"}, {}
    for side in _SIDES:
        encoder, dense = f"{side.route}_encoder", f"{side.route}_dense"
        types |= {encoder: f"{_MODULES}.Transformer", dense: f"{_MODULES}.Dense"}
        structure[side.route] = [encoder, "pooling", dense, "normalize"]
        _write_encoder(model, side, _made(folder, encoder))
        _write_dense(model, side, _made(folder, dense))
    width = model.bert_config.hidden_size
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    write_json(join(_made(folder, "pooling"), "config.json"), pooling)
    write_json(join(_made(folder, "normalize"), "config.json"), {})
    router = {"types": types, "structure": structure, "parameters": {"default_route": "document"}}
    write_json(join(folder, "router_config.json"), router)
    write_json(join(folder, "modules.json"), [{"idx": 0, "name": "0", "path": "", "type": f"{_MODULES}.Router"}])
    settings = {"similarity_fn_name": "cosine", SETTINGS: model.settings() | cosine_to_logit(model)}
    write_json(join(folder, "config_sentence_transformers.json"), settings)


def cosine_to_logit(model: FinishedModel) -> dict[str, float]:
    """Returns ``slope`` and ``offset``: B comes next with probability ``1 / (1 + exp(-(slope * cosine + offset)))``."""
    mean, variance = (model.head(f"cosine_logits/standardize/moving_{name}")[0] for name in ("mean", "variance"))
    kernel, bias = (np.diff(model.head(f"cosine_logits/classifier/{name}")).item() for name in ("kernel", "bias"))
    slope = kernel / np.sqrt(float(variance) + _COSINE_EPSILON)
    temperature = model.calibration.temperature
    return {"slope": float(slope / temperature), "offset": float((bias - slope * mean) / temperature)}


def projection(model: FinishedModel, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel, ``float32 [hidden, size]``, and bias, ``[size]``, of standardization and projection together.

    Args:
        model: the finished model.
        name: ``query`` or ``key``; a model with ``--tie_projections`` has the first only.
    """
    name = name if f"{model.config.head}/{name}/kernel" in model.weights.others else "query"
    kernel, bias = (model.head(f"{name}/{part}").astype(np.float64) for part in ("kernel", "bias"))
    gamma, beta, mean, variance = (
        model.head(f"center/{part}").astype(np.float64) for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + _EPSILON)
    merged = (beta - mean * scale) @ kernel + bias
    return (scale[:, np.newaxis] * kernel).astype(np.float32), merged.astype(np.float32)


def _write_encoder(model: FinishedModel, side: _Side, folder: str) -> None:
    weights = model.encoder()
    types = weights[_TYPES].copy()
    types[0] = types[min(side.token_type, model.tokenizer.token_types - 1)]
    architecture = write_huggingface(join(folder, FILE), weights | {_TYPES: types})
    cut = "left" if side.route == "query" and model.config.truncate_a == "start" else "right"
    padding = write_tokenizer(model.config, model.tokenizer, folder, cut)
    write_json(join(folder, "config.json"), model.bert_config.to_huggingface(architecture) | {"pad_token_id": padding})
    length = {"max_seq_length": model.config.max_seq_length, "do_lower_case": False}
    write_json(join(folder, "sentence_bert_config.json"), length)


def _write_dense(model: FinishedModel, side: _Side, folder: str) -> None:
    from safetensors.numpy import save_file

    kernel, bias = projection(model, side.projection)
    tensors = {"linear.weight": np.ascontiguousarray(kernel.T), "linear.bias": bias}
    save_file(tensors, join(folder, FILE), {"format": "pt"})
    sizes = {"in_features": kernel.shape[0], "out_features": kernel.shape[1], "bias": True}
    activation = {"activation_function": "torch.nn.modules.linear.Identity"}
    write_json(join(folder, "config.json"), sizes | activation)


def _made(folder: str, name: str) -> str:
    os.makedirs(path := join(folder, name))
    return path

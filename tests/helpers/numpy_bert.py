"""google-research/bert's forward pass in float64 numpy, straight from TF1-named variables."""

import numpy as np


def bert(variables, config, word_ids, mask, type_ids):
    """Gives (sequence output of each layer, pooled output)."""
    get = {name: value.astype(np.float64) for name, value in variables.items()}.__getitem__
    length = word_ids.shape[1]
    states = (
        get("bert/embeddings/word_embeddings")[word_ids]
        + get("bert/embeddings/position_embeddings")[:length]
        + get("bert/embeddings/token_type_embeddings")[type_ids]
    )
    states = _layer_norm(states, get, "bert/embeddings")
    adder = (1.0 - mask[:, np.newaxis, np.newaxis, :]) * -10000.0
    outputs = []
    for number in range(config.num_hidden_layers):
        layer = f"bert/encoder/layer_{number}"
        query, key, value = (
            _heads(_dense(states, get, f"{layer}/attention/self/{part}"), config.num_attention_heads)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1]) + adder
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        context = (weights @ value).transpose(0, 2, 1, 3).reshape(states.shape)
        attended = _dense(context, get, f"{layer}/attention/output/dense")
        states = _layer_norm(states + attended, get, f"{layer}/attention/output")
        inner = _gelu(_dense(states, get, f"{layer}/intermediate/dense"))
        states = _layer_norm(states + _dense(inner, get, f"{layer}/output/dense"), get, f"{layer}/output")
        outputs.append(states)
    return outputs, np.tanh(_dense(states[:, 0], get, "bert/pooler/dense"))


def _dense(x, get, name):
    return x @ get(f"{name}/kernel") + get(f"{name}/bias")


def _heads(x, heads):
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def _layer_norm(x, get, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return scaled * get(f"{name}/LayerNorm/gamma") + get(f"{name}/LayerNorm/beta")


def _gelu(x):
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))

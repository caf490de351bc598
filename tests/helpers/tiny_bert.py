"""A BERT so small that tests can train it; nothing heavy is imported."""

# Every dimension differs, so that none can stand in for another.
TINY = {
    "vocab_size": 120,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
}


def random_tf1_variables(config, seed=0):
    """A seeded checkpoint under google-research/bert's names, written out by hand: not by our name map."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def normal(*shape, scale=0.1, mean=0.0):
        return rng.normal(mean, scale, shape).astype(np.float32)

    width, inner = config.hidden_size, config.intermediate_size
    variables = {
        "bert/embeddings/word_embeddings": normal(config.vocab_size, width),
        "bert/embeddings/position_embeddings": normal(config.max_position_embeddings, width),
        "bert/embeddings/token_type_embeddings": normal(config.type_vocab_size, width),
        "bert/pooler/dense/kernel": normal(width, width, scale=0.3),
        "bert/pooler/dense/bias": normal(width),
        "cls/predictions/output_bias": normal(config.vocab_size),
        "cls/seq_relationship/output_weights": normal(2, width),
        "bert/pooler/dense/kernel/adam_m": normal(width, width),
        "bert/pooler/dense/kernel/adam_v": normal(width, width),
        "global_step": np.array(7, np.int64),
    }
    norms = ["bert/embeddings"]
    for number in range(config.num_hidden_layers):
        layer = f"bert/encoder/layer_{number}"
        norms += [f"{layer}/attention/output", f"{layer}/output"]
        for part in ("query", "key", "value"):
            variables[f"{layer}/attention/self/{part}/kernel"] = normal(width, width, scale=0.3)
            variables[f"{layer}/attention/self/{part}/bias"] = normal(width)
        variables[f"{layer}/attention/output/dense/kernel"] = normal(width, width, scale=0.3)
        variables[f"{layer}/attention/output/dense/bias"] = normal(width)
        variables[f"{layer}/intermediate/dense/kernel"] = normal(width, inner, scale=0.3)
        variables[f"{layer}/intermediate/dense/bias"] = normal(inner)
        variables[f"{layer}/output/dense/kernel"] = normal(inner, width, scale=0.3)
        variables[f"{layer}/output/dense/bias"] = normal(width)
    for norm in norms:
        variables[f"{norm}/LayerNorm/gamma"] = normal(width, mean=1.0)
        variables[f"{norm}/LayerNorm/beta"] = normal(width)
    return variables

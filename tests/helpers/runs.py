"""Options of the runs that several files of tests look at; the fixture ``finished_run`` makes each of them once."""

QUICK = {
    "num_train_epochs": 1.0,
    "learning_rate": 0.003,
    "max_seq_length": 30,
    "precision": "float32",
    "rank_queries": 2,
    "rank_candidates": 3,
}
"""Without a dev part."""

HYBRID = {
    "split": "grouped",
    "dev_share": 0.3,
    "truncate_a": "start",
    "num_train_epochs": 1.0,
    "train_batch_size": 16,
    "max_seq_length": 30,
    "precision": "float32",
    "rank_queries": 0,
    "learning_rate": 0.002,
}
"""With a dev part, and so with lexical features."""

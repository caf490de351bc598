"""The BERT encoder, the heads, and their numerical precision."""

"""Checkpoint formats, one module each: TF1, TF2, Hugging Face, Keras."""

"""Training a run: optimizer, strategies, callbacks, distillation."""

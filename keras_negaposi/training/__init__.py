"""Training runs: devices, optimizer, callbacks, checkpoints, distillation, several runs."""

"""Serving a trained model: calibration, SavedModel export, scoring, int8 quantization."""

"""Exports of a finished run to other tools: transformers, sentence-transformers, ONNX and TF Serving."""

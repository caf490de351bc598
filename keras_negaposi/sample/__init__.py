"""The small sample that ships with the package: a generated slide corpus and a tiny BERT pre-trained on its like."""

from pathlib import Path

FOLDER = Path(__file__).parent / "data"
"""Holds ``honbun_data.json``, ``negaposi.json`` and a TF1 BERT with its tokenizer."""

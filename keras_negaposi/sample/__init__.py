"""The package's sample: generated slide decks with labelled pairs, and a tiny BERT pre-trained on similar decks."""

from pathlib import Path

FOLDER = Path(__file__).parent / "data"
"""Contains ``honbun_data.json``, ``negaposi.json``, and a TF1 BERT with its tokenizer."""

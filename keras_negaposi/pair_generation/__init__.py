"""Generates labelled pairs from pages that nobody has labelled."""

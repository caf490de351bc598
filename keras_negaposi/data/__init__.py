"""Reads texts and labelled pairs, splits them, and samples more pairs."""

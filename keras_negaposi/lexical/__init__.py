"""Lexical features of a pair of texts: counts of characters, n-grams and words, without a neural network."""

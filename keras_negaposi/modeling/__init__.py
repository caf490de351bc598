"""The encoder, the heads, and the arithmetic they run in."""

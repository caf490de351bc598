"""Evaluation of a finished run: metrics, intervals, baselines, leakage audit, controls, ranking and verdict."""

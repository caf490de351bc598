"""What is shown of an evaluated run: the report, the comparison of runs, the model card, TensorBoard."""

"""Stored records in the trackers of others: MLflow, Weights & Biases, TensorBoard."""

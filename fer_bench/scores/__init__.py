"""Metrics and statistics, from labels and probabilities alone."""

"""Rows that no training here made: predictions from outside, and ensembles."""

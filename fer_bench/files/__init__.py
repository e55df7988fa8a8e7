"""Whole files, and files of unknown origin."""

"""The host and its devices."""
